"""Vectors of whole images, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.support import toy
from tests.support.engines import sharing

from twofold.cluster.embedding import EmbedJob, check_size, embed_to_file
from twofold.cluster.sources import find_sources
from twofold.encoders import inference
from twofold.encoders.encode import FrozenEncoder
from twofold.errors import ConfigError, ImageSourceError, UsageError, WeightsError
from twofold.images import find_images

pytestmark = pytest.mark.usefixtures("small_encoder")


@pytest.fixture
def small_encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An encoder of a few thousand weights, compiled once."""
    monkeypatch.setattr(inference, "make_engine", sharing("torch"))
    with toy.registered():
        yield


def make(**more: Any) -> EmbedJob:
    return EmbedJob.of(toy.ENCODER, weights="random", **more)


@pytest.fixture
def job(small_encoder: None) -> EmbedJob:
    del small_encoder
    return make()


def test_each_image_has_a_row_with_its_vector_or_a_reason(
    job: EmbedJob, mixed: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "new" / "vectors.parquet"
    found = embed_to_file(job, find_sources(mixed), out, progress=lambda *a: told.append(a))
    assert (found.n_images, found.n_unusable) == (23, 2)
    assert told == [("embed", 23, 23)]
    table = parquet.read_table(out)
    assert table.column_names == ["image", "problem", "width", "height", "vector"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), toy.DIM)
    images = find_images(mixed)
    assert tuple(table["image"].to_pylist()) == images.names
    bad = [Path(name).name == "005x.png" or Path(name).name == "011x.png" for name in images.names]
    for name in ("vector", "width", "height"):
        assert [value is None for value in table[name].to_pylist()] == bad
    assert [value is not None for value in table["problem"].to_pylist()] == bad
    assert set(table["width"].drop_null().to_pylist()) == {48}
    # Beside the encoder itself.
    own = FrozenEncoder(toy.encoder(), ("pooled",)).encode(images)["pooled"]
    vectors = np.stack([v for v in table["vector"].to_pylist() if v is not None])
    np.testing.assert_array_equal(vectors.astype(np.float32), own)
    assert [path.name for path in out.parent.iterdir()] == ["vectors.parquet"]


def test_images_of_which_none_can_be_used(job: EmbedJob, mixed: Path, tmp_path: Path) -> None:
    bad = [str(mixed / "005x.png"), str(tmp_path / "gone.png")]
    found = embed_to_file(job, find_sources(bad), tmp_path / "vectors.parquet")
    assert (found.n_images, found.n_unusable) == (2, 2)
    table = parquet.read_table(tmp_path / "vectors.parquet")
    assert table["vector"].null_count == 2
    assert table["problem"].to_pylist() == ["empty file", "no such file"]


def test_a_strict_job_leaves_no_file(mixed: Path, tmp_path: Path) -> None:
    strict = make(strict=True)
    with pytest.raises(ImageSourceError, match="empty file"):
        embed_to_file(strict, find_sources(mixed), tmp_path / "vectors.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_is_refused(
    job: EmbedJob, mixed: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        embed_to_file(job, find_sources(mixed), tmp_path)


def test_sizes(job: EmbedJob) -> None:
    assert make(image_size=96).identity() != job.identity()
    with pytest.raises(ConfigError, match="unknown"):
        EmbedJob.of("nothing")
    for size in (0, 31, 10000):
        with pytest.raises(UsageError, match="--image-size"):
            check_size(size)
    check_size(None)
    check_size(224)


def test_other_weights_than_those_of_the_plan_are_refused() -> None:
    other = EmbedJob(toy.ENCODER, "0" * 64, toy.DIM, "random")
    with pytest.raises(WeightsError, match="not those this was begun with"):
        other.open()
