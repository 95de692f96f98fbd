"""Reference images: which are kept, how they are saved, and what hostile ones can do."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.detector.cases import Make
from tests.detector.file.test_tampering import forge_tensors
from tests.support import toy

from twofold import Detector
from twofold.densities import power_normalise
from twofold.detector.references import MOST_REFERENCES, picture_of, spread_rows
from twofold.encoders.encode import FrozenEncoder
from twofold.errors import BundleError, ConfigError, ImageError
from twofold.images import find_images


@pytest.mark.parametrize(("n", "most"), [(0, 5), (1, 5), (5, 5), (100, 7), (1000, 200)])
def test_rows_are_spread_over_the_ranks(n: int, most: int) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    rows = spread_rows(scores, most)
    assert len(rows) == len(set(rows.tolist())) == min(n, most)
    ranks = np.argsort(np.argsort(scores))[rows]
    assert (np.diff(ranks) > 0).all()
    if n > most:
        assert (ranks[0], ranks[-1]) == (0, n - 1)
        assert np.ptp(np.diff(ranks)) <= 1


@pytest.mark.slow
def test_a_fit_keeps_presumed_normals_of_both_domains(fitted: Detector, world: toy.World) -> None:
    kept = fitted.references_
    assert kept is not None
    assert len(kept.source) == len(kept.source.pictures) == len(world.source)
    usual = fitted.decision_scores_[fitted.decision_scores_ <= fitted.threshold_.value]
    assert kept.target.scores.tolist() == sorted(usual.tolist())
    rows = [fitted.decision_scores_.tolist().index(score) for score in kept.target.scores]
    frozen = FrozenEncoder(toy.encoder(), ("pooled",), engine="torch")
    vectors = power_normalise(frozen.encode(find_images(world.pool))["pooled"])
    assert np.allclose(kept.target.vectors, vectors[rows], atol=1e-3)
    for row, picture in zip(rows, kept.target.pictures, strict=True):
        shown = np.asarray(picture_of(picture), dtype=float)
        apart = np.abs(shown - world.pool).mean(axis=(1, 2, 3))
        assert int(apart.argmin()) == row


def test_they_are_saved_and_loaded_but_for_a_model_without(
    fitted: Detector, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "with")
    fitted.save(tmp_path / "without", references=False)
    kept, loaded = fitted.references_, Detector.load(tmp_path / "with", weights="random")
    assert kept is not None
    assert loaded.references_ is not None
    for one, other in (
        (kept.source, loaded.references_.source),
        (kept.target, loaded.references_.target),
    ):
        assert one.pictures == other.pictures
        assert np.array_equal(one.vectors, other.vectors)
        assert np.array_equal(one.scores, other.scores)
    assert Detector.load(tmp_path / "without", weights="random").references_ is None
    assert "references" not in (tmp_path / "without" / "detector.json").read_text("utf-8")
    with pytest.raises(ConfigError, match="references must be True or False"):
        fitted.save(tmp_path / "x", references=1)  # type: ignore[arg-type]


def test_a_fit_without_a_target_keeps_the_source(make: Make, world: toy.World) -> None:
    with pytest.warns(UserWarning, match="rests on source"):
        kept = make("frozen_source").fit(world.source).references_
    assert kept is not None
    assert (len(kept.source), len(kept.target)) == (len(world.source), 0)


@pytest.mark.slow
def test_many_large_images_stay_small_in_a_model(make: Make, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 255, (260, 120, 160, 3), dtype=np.uint8)  # the worst for JPEG
    detector = make().fit(noise, 255 - noise[:250])
    sizes = []
    for name, references in (("with", True), ("without", False)):
        detector.save(tmp_path / name, references=references)
        sizes.append((tmp_path / name / "tensors.safetensors").stat().st_size)
    kept = detector.references_
    assert kept is not None
    assert (len(kept.source), len(kept.target)) == (MOST_REFERENCES, MOST_REFERENCES)
    assert sizes[0] - sizes[1] < 3_000_000


Tensors = dict[str, NDArray[Any]]


def _set(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Tensors], None]:
    def apply(tensors: Tensors) -> None:
        tensors[name] = change(tensors[name])

    return apply


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("references.source.ends"), "only a part"),
        (_set("references.source.ends", lambda a: a[::-1].copy()), "do not fit together"),
        (_set("references.source.ends", lambda a: a - 1), "do not fit together"),
        (_set("references.source.ends", lambda a: a * 2**50), "do not fit together"),
        (_set("references.source.ends", lambda a: a.astype(np.int32)), "do not fit together"),
        (_set("references.target.scores", lambda a: a[:-1]), "do not fit together"),
        (_set("references.target.scores", lambda a: np.asarray(a[0])), "do not fit together"),
        (_set("references.target.vectors", lambda a: a[:, :-1].copy()), "two lengths"),
        (_set("references.target.vectors", lambda a: a.ravel()), "do not fit together"),
        (_set("references.target.pictures", lambda a: a[:10]), "do not fit together"),
    ],
)
def test_reference_images_that_were_altered(
    fitted: Detector, tmp_path: Path, change: Callable[[Tensors], None], match: str
) -> None:
    path = tmp_path / "model"
    fitted.save(path)
    forge_tensors(path, change)
    with pytest.raises(BundleError, match=match) as caught:
        Detector.load(path, weights="random")
    assert len(str(caught.value).splitlines()) == 1


def _file(size: tuple[int, int], kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", size).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        _file((10, 10), "PNG"),
        _file((97, 10), "JPEG"),
        _file((50, 50), "JPEG")[:99],
    ],
)
def test_what_is_no_small_jpeg_is_no_picture(content: bytes) -> None:
    with pytest.raises(ImageError):
        picture_of(content)
