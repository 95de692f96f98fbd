"""Evidence and verdict before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy
from tests.support.bad_files import write_bad_files

from twofold import Detector
from twofold.detector import check as module
from twofold.detector.check import Check, check_pair
from twofold.errors import ConfigError, ImageSourceError, NotEnoughImagesError
from twofold.evidence import ADAPT, DO_NOT_TRUST, NO_SHIFT

Write = Callable[[Path, NDArray[Any]], list[Path]]


def look(source: Any, target: Any, **options: Any) -> Check:
    given = {"encoder": toy.ENCODER, "weights": "random", "engine": "torch"} | options
    return check_pair(source, target, **given)


@pytest.mark.slow
def test_a_shift(world: toy.World) -> None:
    found = look(world.source, world.pool)
    assert found.verdict.startswith((ADAPT, NO_SHIFT, DO_NOT_TRUST))
    assert found.verdict == ADAPT
    assert len(found.reasons) == 2
    assert found.reasons[0].startswith("a shift (held-out images are told apart with an AUROC of ")
    assert (found.n_source, found.n_target, found.problems) == (60, 80, ())
    assert found.findings is not None
    assert found.findings.shift_auroc > 0.95
    assert found.contamination is None  # unknown without labels
    assert set(found.choices) == {
        "apart",
        "global_source_weight",
        "local_weight",
        "place_share",
        "separation",
        "separation_without_places",
        "source_weight",
        "starts_like_source",
    }
    assert set(found.findings.most_like_source) <= {f"array[{row}]" for row in range(80)}


@pytest.mark.slow
def test_a_fit_says_the_same(make: Callable[..., Detector], world: toy.World) -> None:
    found = look(world.source, world.pool)
    evidence = make(options={}).fit(world.source, world.pool).evidence_
    assert found.visible_flaws == evidence.visible_flaws is not None
    assert found.findings == evidence.findings
    assert (found.verdict, found.reasons) == (evidence.verdict, evidence.reasons)
    assert found.contamination is None
    assert evidence.contamination is None
    assert found.choices == evidence.choices


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_same_domain(seed: int) -> None:
    near, far = toy.normals(60, seed, toy.SOURCE), toy.normals(80, seed + 50, toy.SOURCE)
    found = look(near, far)
    assert found.verdict == "no shift: source detector suffices"
    assert found.reasons[0].startswith("source and target look alike: ")


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 8, 9])
def test_too_few_target_images(world: toy.World, n: int) -> None:
    found = look(world.source, world.pool[:n])
    assert found.verdict == "do not trust: too few target images"
    assert found.reasons == (f"{n} target images, at least 10 are needed",)
    assert (found.findings, found.contamination, found.choices) == (None, None, {})
    assert look(world.source, world.pool[:10]).verdict != found.verdict


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 9])
def test_too_few_source_images(world: toy.World, n: int) -> None:
    found = look(world.source[:n], world.pool)
    assert found.verdict == "do not trust: too few source images"
    assert found.reasons == (f"{n} source images, at least 10 are needed",)
    assert found.findings is None
    assert look(world.source[:10], world.pool).findings is not None


@pytest.mark.slow
def test_ten_and_ten_are_enough_for_findings(world: toy.World) -> None:
    found = look(world.source[:10], world.pool[:10], false_alarm_rate=0.5)
    assert found.findings is not None
    assert "too few" not in found.verdict


@pytest.mark.slow
def test_a_rate_that_the_images_cannot_support_is_a_reason(world: toy.World) -> None:
    strict = look(world.source, world.pool, false_alarm_rate=0.01)
    assert strict.verdict == look(world.source, world.pool).verdict
    assert strict.reasons[1].startswith("80 target images rank new ones, but support no")


def test_a_bad_rate_fails_before_any_work(
    world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_encoder", None)
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            look(world.source, world.pool, false_alarm_rate=rate)


@pytest.mark.slow
def test_unusable_images_are_listed(world: toy.World, write: Write, tmp_path: Path) -> None:
    expected = look(world.source, world.pool)
    folders = tmp_path / "source", tmp_path / "pool"
    write(folders[0], world.source)
    write(folders[1], world.pool)
    bad = [write_bad_files(folder) for folder in folders]
    found = look(*folders)
    assert (found.n_source, found.n_target) == (60, 80)
    assert [Path(problem.path).parent for problem in found.problems] == [
        folder for folder, files in zip(folders, bad, strict=True) for _ in files
    ]
    for problem in found.problems:
        assert bad[0][Path(problem.path).name] in problem.reason
    assert found.findings is not None
    assert expected.findings is not None
    assert found.findings.shift_auroc == expected.findings.shift_auroc
    assert found.contamination == expected.contamination
    few = look(folders[0], write(tmp_path / "few", world.pool[:3]))
    assert [problem.path for problem in few.problems] == [
        problem.path for problem in found.problems[: len(bad[0])]
    ]
    with pytest.raises(ImageSourceError):
        look(*folders, strict=True)


def test_nothing_usable(world: toy.World, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    write_bad_files(tmp_path / "bad")
    with pytest.raises(NotEnoughImagesError, match=r"none of the .* target images"):
        look(world.source, tmp_path / "bad")
    with pytest.raises(NotEnoughImagesError, match=r"none of the .* source images"):
        look(tmp_path / "bad", world.pool)
    with pytest.raises(ImageSourceError):
        look(world.source, tmp_path / "nowhere")


@pytest.mark.slow
def test_deterministic_inputs_left_alone_and_progress(world: toy.World) -> None:
    before = world.source.copy(), world.pool.copy()
    seen: list[tuple[str, int, int]] = []
    found = look(world.source, world.pool, progress=lambda *told: seen.append(told))
    assert found == look(world.source, world.pool)
    assert found.findings != look(world.source, world.pool, random_state=1).findings
    np.testing.assert_array_equal(world.source, before[0])
    np.testing.assert_array_equal(world.pool, before[1])
    assert ("encode source", 60, 60) in seen
    assert seen[-1] == ("encode target", 80, 80)
