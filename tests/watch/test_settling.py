"""When a file counts as complete."""

from __future__ import annotations

import random

from twofold.watch.settling import Settling
from twofold.watch.versions import Version


def version(path: str, state: int = 0) -> Version:
    return Version(state, path, state)


def test_a_file_is_complete_once_it_has_stayed_as_it_is() -> None:
    settling = Settling(2.0)
    settling.see(version("a"), 0.0)
    settling.see(version("a"), 1.9)
    assert (settling.take(9), settling.next_due(), settling.waiting) == ([], 2.0, ["a"])
    settling.see(version("a", 1), 1.95)  # it grows: the time begins anew
    settling.see(version("a", 1), 3.0)
    assert settling.due(3.0) == []
    assert settling.due(3.95) == ["a"]
    settling.see(version("a", 1), 3.95)
    assert settling.take(9) == [version("a", 1)]
    assert (settling.waiting, settling.next_due(), settling.take(9)) == ([], None, [])


def test_a_renamed_file_is_complete_at_once_unless_it_changes() -> None:
    settling = Settling(2.0)
    settling.see(version("a"), 0.0, complete=True)
    settling.see(version("a"), 0.1)
    assert settling.n_ready == 1
    settling.see(version("a", 1), 0.2)
    assert settling.n_ready == 0
    settling.see(version("b"), 0.0)
    settling.see(version("b"), 0.1, complete=True)
    settling.drop("a")
    assert settling.take(9) == [version("b")]
    assert settling.waiting == []


def test_without_a_time_the_second_look_decides() -> None:
    settling = Settling(0.0)
    settling.see(version("a"), 0.0)
    assert settling.n_ready == 0
    assert settling.due(0.0) == ["a"]
    settling.see(version("a"), 0.0)
    assert settling.n_ready == 1


def test_those_changed_first_come_first_a_batch_at_a_time() -> None:
    settling = Settling(1.0)
    for path, state in (("a", 3), ("c", 1), ("b", 1)):
        settling.see(version(path, state), 0.0, complete=True)
    assert [one.path for one in settling.take(2)] == ["b", "c"]
    assert [one.path for one in settling.take(2)] == ["a"]


def test_it_agrees_with_the_rule_looked_up_in_all_that_was_seen() -> None:
    """Reference: some earlier look, long enough ago, since which every look saw the same."""
    for seed in range(300):
        draw = random.Random(seed)
        settling, now, looks, taken = Settling(1.0), 0.0, list[tuple[float, int]](), set[int]()
        for _ in range(40):
            now += draw.choice([0.1, 0.4, 0.6, 1.0])
            state = looks[-1][1] if looks and draw.random() < 0.7 else draw.randrange(10**6)
            if state in taken:
                state = draw.randrange(10**6)
            looks.append((now, state))
            settling.see(version("a", state), now)
            same = [t for t, s in looks if s == state]
            changed = [t for t, s in looks if s != state]
            since = min(t for t in same if t > max(changed, default=-1.0))
            expected = [version("a", state)] if now - since >= 1.0 else []
            assert settling.take(1) == expected
            taken.update(one.size for one in expected)
