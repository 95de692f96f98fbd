"""Pictures for notebooks, the report from a detector, and data frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image
from tests.support import toy
from tests.support.missing import hide

from twofold import Detector
from twofold.errors import (
    ConfigError,
    ImageSourceError,
    MissingExtraError,
    NotFittedError,
    UsageError,
)

Make = Callable[..., Detector]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_an_image_is_shown_with_what_score_says_of_it(
    fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    row = int(fitted.decision_function(world.test).argmax())
    path = tmp_path / "a $cell$.png"
    Image.fromarray(world.test[row]).resize((96, 48)).save(path)
    (box,) = fitted.regions(path)
    result = fitted.score(path)
    ax = plt.subplots()[1]
    assert fitted.show(path, ax=ax) is ax
    name, said = ax.get_title().splitlines()
    assert name == "a $cell$.png"
    assert said.startswith("anomalous" if result.anomalous[0] else "normal")
    assert f"{result.scores[0]:.3g}" in said
    assert ax.get_xlim() == (0, 96)
    frames = [patch.get_bbox().bounds for patch in ax.patches if isinstance(patch, Rectangle)]
    assert frames == [(r.x, r.y, r.width, r.height) for r in box.regions]


@pytest.mark.slow
def test_an_image_without_map_is_shown_plain(make: Make, world: toy.World) -> None:
    detector = make("target_only").fit(world.source, world.pool)
    ax = detector.show(world.test[:1])
    np.testing.assert_array_equal(ax.images[0].get_array(), world.test[0])
    assert not ax.patches


def test_a_gallery_has_the_oddest_first(fitted: Detector, world: toy.World, tmp_path: Path) -> None:
    for row, pixels in enumerate(world.test[:9]):
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    scores = fitted.score(tmp_path)
    figure = fitted.gallery(tmp_path, n=5, columns=3)
    shown = [ax.get_title().splitlines()[0] for ax in figure.axes if ax.get_title()]
    order = np.argsort(-np.nan_to_num(scores.scores, nan=-np.inf), kind="stable")
    assert shown == [Path(scores.names[row]).name for row in order[:5]]
    assert len(figure.axes) == 6
    assert not figure.axes[5].axison
    every = [ax.get_title() for ax in fitted.gallery(tmp_path, n=99).axes if ax.get_title()]
    assert len(every) == 9


def test_pictures_of_large_images_are_small(fitted: Detector, world: toy.World) -> None:
    large = Image.fromarray(world.test[0]).resize((1500, 700))
    ax = fitted.show([large])
    assert ax.images[0].get_array().shape[:2] == (478, 1024)  # type: ignore[union-attr]
    assert ax.get_xlim() == (0, 1500)


def test_what_cannot_be_shown_is_one_line(
    fitted: Detector, make: Make, world: toy.World, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="one image, not 2: use gallery"):
        fitted.show(world.test[:2])
    with pytest.raises(ImageSourceError, match=r"bad\.png: "):
        fitted.show(bad)
    with pytest.raises(ImageSourceError, match="none of the images"):
        fitted.gallery(tmp_path)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ConfigError, match="columns must be a positive whole number"):
            fitted.gallery(world.test[:2], columns=wrong)  # type: ignore[arg-type]
    for draw in (make().show, make().gallery):
        with pytest.raises(NotFittedError):
            draw(world.test[:1])


def test_a_detector_writes_a_report(fitted: Detector, world: toy.World, tmp_path: Path) -> None:
    written = fitted.report(world.test[:4], tmp_path / "r.html", labels=[0, 1, 0, 1])
    assert written.path == tmp_path / "r.html"
    assert written.n_images == 4
    assert "<html" in written.path.read_text("utf-8")[:500].lower()


def test_scores_are_a_data_frame(fitted: Detector, world: toy.World, tmp_path: Path) -> None:
    Image.fromarray(world.test[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    result = fitted.score(tmp_path)
    frame = result.to_pandas()
    assert list(frame) == ["image", "score", "percentile", "p_value", "anomalous", "problem"]
    assert frame["image"].tolist() == list(result.names)
    np.testing.assert_array_equal(frame["score"], result.scores)
    np.testing.assert_array_equal(frame["p_value"], result.p_values)
    assert str(frame["anomalous"].dtype) == "Int64"
    assert frame["anomalous"].isna().tolist() == [False, True]
    assert frame["anomalous"][0] == result.anomalous[0]
    assert frame["problem"].isna().tolist() == [True, False]
    assert frame["problem"][1] == result.problems[0].reason


def test_scores_are_rows_of_plain_values(
    fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    Image.fromarray(world.test[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    result = fitted.score(tmp_path)
    good, bad = result.rows()
    assert good == {
        "image": result.names[0],
        "score": result.scores[0],
        "percentile": result.percentiles[0],
        "p_value": result.p_values[0],
        "anomalous": result.anomalous[0],
        "problem": None,
    }
    assert json.loads(json.dumps(good)) == good
    assert bad.pop("problem") == result.problems[0].reason
    assert bad == {"image": result.names[1]} | dict.fromkeys(list(good)[1:-1])


def test_without_pandas_the_extra_is_named(
    fitted: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fitted.score(world.test[:1])
    hide(monkeypatch, "pandas")
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[notebook\]'"):
        result.to_pandas()
