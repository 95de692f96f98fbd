"""Drift over a stream that is interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.watch.cases import Stub, as_detector, journal_at, result

from twofold.drift import DriftMonitor
from twofold.watch import drifting
from twofold.watch.drifting import DriftWatch
from twofold.watch.journal import Result

RNG = np.random.default_rng(3)
REFERENCE = RNG.normal(size=(300, 2))
STREAM = np.concatenate([RNG.normal(size=(60, 2)), RNG.normal(3.0, size=(60, 2))])


def results(first: int, last: int) -> list[Result]:
    return [
        Result(result(i + 1).version, result(i + 1).row, STREAM[i], "ok")
        for i in range(first, last)
    ]


@pytest.mark.parametrize("keep_every", [1000, 25])
def test_it_goes_on_after_restarts_as_if_there_had_been_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_every: int
) -> None:
    monkeypatch.setattr(drifting, "_KEEP_EVERY", keep_every)
    detector = as_detector(Stub(REFERENCE))
    said: list[str] = []
    with journal_at(tmp_path / "j") as journal:
        for first in range(0, 120, 10):
            watch = DriftWatch(detector, journal)  # each batch in a process of its own
            batch = results(first, first + 10)
            said += watch.update(batch)
            journal.add(batch)
            watch.keep()
        left = sum(len(numbers) for numbers in journal.drift_numbers(2))
        assert left == (120 if keep_every == 1000 else 0)
        assert DriftWatch(detector, journal).update([]) == []
        found = DriftWatch(detector, journal).current()
    expected = DriftMonitor(REFERENCE).update(STREAM)
    assert found is not None
    assert dict(found.p_values) == pytest.approx(dict(expected.p_values), rel=1e-9)  # rounding
    assert replace(found, p_values={}) == replace(expected, p_values={})
    assert expected.kind == "domain"
    # Each kind once, however often it is started again.
    assert len(said) == len(expected.warnings) == 2
    assert {line.split(" (")[0] for line in said} == {
        "drift: the domain has moved",
        "drift: more images are odd than at the fit",
    }
    assert all("Fit again" in line or "Review" in line for line in said)


def test_unusable_images_are_left_out(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        watch = DriftWatch(as_detector(Stub(REFERENCE)), journal)
        bad = result(1, problem="empty file")
        watch.update([Result(bad.version, bad.row, np.full(2, np.nan), "bad"), *results(1, 3)])
        found = watch.current()
    assert found is not None
    assert found.n_images == 2


def test_a_model_that_does_not_know_its_target_watches_nothing(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        for stub in (Stub(), Stub(REFERENCE[:5])):
            watch = DriftWatch(as_detector(stub), journal)
            assert watch.update(results(0, 3)) == []
            assert watch.current() is None
            assert watch.note.startswith("drift is not watched: ")


def test_what_cannot_be_gone_on_with_begins_anew(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.keep_drift("drift", "of another version")
        journal.add(results(0, 3))
        watch = DriftWatch(as_detector(Stub(REFERENCE)), journal)
        assert watch.note.startswith("drift is watched anew: the journal")
        found = watch.current()
    assert found is not None
    assert found.n_images == 3
