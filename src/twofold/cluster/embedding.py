"""Whole-image vectors of an encoder, in this process or as the work of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.cluster.plan import Summary
from twofold.cluster.sources import Source, shards_of
from twofold.cluster.work import Looked
from twofold.deferred import deferred
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoded import EncodedImages
from twofold.encoders.encoder import load_encoder
from twofold.encoders.outputs import EngineKind, resolve_engine
from twofold.encoders.sides import at_side, split_side
from twofold.errors import ImageError, TwofoldError, UsageError, WeightsError
from twofold.files import refuse_folder, temporary_beside
from twofold.images import ImageSet
from twofold.parquet import require_pyarrow

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = deferred("pyarrow")

__all__ = ["EmbedJob", "embed_to_file"]

# Images that are held at a time: 5 MB of 1,280 numbers each.
ROWS = 1000


@dataclass(frozen=True)
class EmbedJob:
    """Encode whole images.

    Attributes:
        encoder: an id of ``twofold encoders``.
        fingerprint: of the encoder and its weights; see :meth:`of`.
        dim: numbers in a vector.
        weights: a local file with the encoder's weights, or ``random``.
        image_size: side in pixels of the square in which images are seen; None is the encoder's.
        engine: of inference, the same for all processes.
        strict: fail on the first image that cannot be used.
    """

    encoder: str
    fingerprint: str
    dim: int
    weights: str | None = None
    image_size: int | None = None
    engine: EngineKind = "auto"
    strict: bool = False
    kind: str = "vectors"

    @classmethod
    def of(
        cls,
        encoder: str,
        *,
        weights: str | None = None,
        image_size: int | None = None,
        strict: bool = False,
    ) -> EmbedJob:
        """A job with the weights as they are now.

        Raises:
            ConfigError: no such encoder, or it takes one size only.
            WeightsError: its weights are missing.
        """
        loaded = load_encoder(encoder, weights)
        split_side(at_side("pooled", image_size), loaded)
        dim, engine = loaded.spec.feature_dim, resolve_engine("auto")
        return cls(encoder, loaded.fingerprint, dim, weights, image_size, engine, strict)

    def identity(self) -> Mapping[str, Any]:
        """Encoder, weights, size and engine."""
        return {
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "image_size": self.image_size,
            "engine": self.engine,
        }

    def columns(self) -> Mapping[str, str]:
        """The image, its size, its vector or what is wrong with it; and where it comes from."""
        vector = f"fixed_size_list<float>[{self.dim}]"
        sizes = {"width": "int32", "height": "int32"}
        own = {"image": "string", "problem": "string", **sizes, "vector": vector}
        return {**own, "row": "int64", "shard": "int32"}

    def open(self) -> Callable[[ImageSet], Looked]:
        """Load the encoder.

        Raises:
            WeightsError: its weights here are others than those of the plan.
        """
        loaded = load_encoder(self.encoder, self.weights)
        if loaded.fingerprint != self.fingerprint:
            raise WeightsError(f"the weights of {self.encoder} are not those this was begun with")
        output = at_side("pooled", self.image_size)
        frozen = FrozenEncoder(loaded, (output,), engine=self.engine)

        def look(images: ImageSet) -> Looked:
            found = frozen.encode(images, strict=self.strict)
            return Looked(self._table(images, found, found[output]))

        return look

    def _table(
        self, images: ImageSet, found: EncodedImages, vectors: NDArray[np.float32]
    ) -> pa.Table:
        """A row each image; one that cannot be used has a problem, and no vector and size."""
        n = len(images)
        good = np.zeros(n, dtype=bool)
        good[found.kept] = True
        values = np.zeros((n, self.dim), dtype=np.float32)
        if len(found):  # of none, nobody knows the shape
            values[found.kept] = vectors
        reasons: list[str | None] = [None] * n
        bad = np.flatnonzero(~good)
        for row, problem in zip(bad, found.problems, strict=True):
            reasons[row] = problem.reason
        sizes = [_size(images, row) if good[row] else (None, None) for row in range(n)]
        empty = pa.array(~good)
        flat = pa.array(values.reshape(-1), pa.float32())
        columns = {
            "image": pa.array(images.names, pa.string()),
            "problem": pa.array(reasons, pa.string()),
            "width": pa.array([width for width, _ in sizes], pa.int32()),
            "height": pa.array([height for _, height in sizes], pa.int32()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, self.dim, mask=empty),
        }
        return pa.table(columns)


def _size(images: ImageSet, row: int) -> tuple[int | None, int | None]:
    """Width and height of an image that was decoded a moment ago."""
    try:
        header = images.header(row)
    except ImageError:  # gone since
        return None, None
    return (None, None) if header is None else (header.width, header.height)


def embed_to_file(
    job: EmbedJob,
    sources: list[Source],
    out: Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Summary:
    """Encode images in this process, into one Parquet file that is written whole or not at all.

    Args:
        job: what to do.
        sources: the images; a thousand are held at a time.
        out: the file.
        progress: told how many are done.

    Raises:
        MissingExtraError: pyarrow is not installed.
        UsageError: ``out`` is a folder.
        TwofoldError: an image cannot be used, where that is not allowed.
    """
    parquet = require_pyarrow().parquet
    refuse_folder(out, "--out")
    look = job.open()
    n, unusable, writer = sum(map(len, sources)), 0, None
    problems: list[str] = []
    out.resolve().parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(out.resolve()) as temporary:
        try:
            for shard in shards_of(sources, ROWS):
                table = look(shard.source.images()).table
                writer = writer or parquet.ParquetWriter(temporary, table.schema)
                writer.write_table(table)
                bad = table.filter(pa.compute.is_valid(table["problem"])).to_pylist()
                unusable += len(bad)
                problems += [f"{row['image']}: {row['problem']}" for row in bad]
                if progress is not None:
                    progress("embed", shard.start + len(table), n)
            if writer is None:
                raise TwofoldError("there are no images")
            writer.close()
            temporary.replace(out.resolve())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return Summary(str(out), n, 1, 0, unusable, 0, (), tuple(problems))


def check_size(image_size: int | None) -> None:
    """Raise UsageError for a side that no image has."""
    if image_size is not None and not 32 <= image_size <= 8192:
        raise UsageError(f"--image-size {image_size}: give 32 to 8192 pixels")
