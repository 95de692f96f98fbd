"""Stage maps of large images, in tiles, without seams and in bounded memory.

The network is cut at its stage maps. Each part runs over overlapping tiles of its input, and of
each tile's result only that is kept which no tile's border reaches; so the joined map is that of
the whole image. A part behind another one sees a map that is smaller already, so margins that are
wide in pixels cost little.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.encoders.converted import convert, load_or_convert
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import (
    TILE_VALUES,
    ResolvedEngine,
    batch_of,
    conversion_digest,
)
from twofold.encoders.patches import is_patches, patch_strides
from twofold.encoders.reach import reach
from twofold.encoders.runners import OpenVinoRunner, Runner, TorchRunner
from twofold.encoders.sides import split_side
from twofold.encoders.spec import Preprocessing
from twofold.encoders.tiles import Span, plan

if TYPE_CHECKING:
    import torch
    from torch import nn

    from twofold.encoders import modules
    from twofold.encoders.modules import PatchGrid
else:
    torch = deferred("torch")
    modules = deferred("twofold.encoders.modules")

__all__ = ["TiledEngine", "is_large"]

Floats = NDArray[np.float32]

# Pixels of an image beyond which each part gives its activations back, so that the next one's take
# their place: 150 MB less at the top, for a twentieth of the time. Of one megapixel it is half.
_HUGE = 8_000_000


def is_large(encoder: Encoder, outputs: Sequence[str]) -> bool:
    """Whether these outputs are made in parts: stage maps of images of which a call takes one.

    Never those of a transformer, each token of which depends on the whole image.
    """
    spec = encoder.spec
    maps = all(is_patches(name) or name.startswith("stride") for name in outputs)
    local = spec.any_size and spec.patch is None
    return maps and local and batch_of(spec.preprocessing.shape) == 1


def _is_huge(encoder: Encoder) -> bool:
    """Whether activations are given back between the parts of one image."""
    height, width = encoder.spec.preprocessing.shape
    return height * width > _HUGE


@dataclass(frozen=True)
class _Part:
    """A part of the network with its tiles.

    Attributes:
        stride: of the map it gives, in pixels.
        jump: cells of its input for one of its output.
        rows: tiles down.
        columns: tiles across.
        run: on one tile.
    """

    stride: int
    jump: int
    rows: list[Span]
    columns: list[Span]
    run: Runner

    def __call__(self, inputs: NDArray[np.generic], *, pixels: bool) -> Floats:
        """The whole map, float32 (1, c, g, h)."""
        down, across = (-(-spans[-1].stop // self.jump) for spans in (self.rows, self.columns))
        joined: Floats | None = None
        blank: dict[bytes, Floats] = {}
        for row, column in itertools.product(self.rows, self.columns):
            window = (slice(row.start, row.stop), slice(column.start, column.stop))
            seen = inputs[:, *window] if pixels else inputs[:, :, *window]
            found = self._of(np.ascontiguousarray(seen), blank, pixels=pixels)
            if joined is None:
                joined = np.empty((1, found.shape[1], down, across), dtype=np.float32)
            joined[:, :, self._kept(row), self._kept(column)] = found[
                :, :, self._of_tile(row), self._of_tile(column)
            ]
        assert joined is not None
        return joined

    def _of(self, tile: NDArray[np.generic], blank: dict[bytes, Floats], *, pixels: bool) -> Floats:
        """The map of a tile; all blank ones of a colour, such as what a mask leaves out, share one.

        Args:
            tile: what it sees.
            blank: colour -> map, of those met so far.
            pixels: whether it is one of an image.
        """
        first = tile[:, :1, :1] if pixels else tile[:, :, :1, :1]
        if not (tile == first).all():
            return self.run(tile)[0]
        colour = first.tobytes()
        if colour not in blank:
            (blank[colour],) = self.run(tile)
        return blank[colour]

    def _kept(self, span: Span) -> slice:
        """Cells of the joined map."""
        return slice(span.kept[0] // self.jump, -(-span.kept[1] // self.jump))

    def _of_tile(self, span: Span) -> slice:
        """The same cells of the tile's own map."""
        kept, offset = self._kept(span), span.start // self.jump
        return slice(kept.start - offset, kept.stop - offset)


class TiledEngine:
    """Stage maps and patches of one large image a call, as an engine gives them.

    Args:
        encoder: with the preprocessing of the large image.
        outputs: stage maps and patches; see :func:`is_large`.
        kind: of engine.
    """

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...], kind: ResolvedEngine) -> None:
        self.outputs = outputs
        self._joins = [_join(encoder, output) for output in outputs]
        wanted = {stride for strides, _ in self._joins for stride in strides}
        self._parts = _parts(encoder, wanted, kind)
        self._releases = _is_huge(encoder)
        # A part takes all cores and much memory: one image at a time, while others are decoded.
        self._lock = threading.Lock()

    def __call__(self, images: NDArray[np.uint8]) -> tuple[Floats, ...]:
        """(1, height, width, 3) uint8 RGB -> one float32 array per output."""
        maps: dict[int, Floats] = {}
        current: NDArray[np.generic] = images
        with self._lock:
            for part in self._parts:
                current = maps[part.stride] = part(current, pixels=current is images)
                if self._releases:
                    part.run.release()
        with torch.inference_mode():
            return tuple(_joined(maps, strides, grid) for strides, grid in self._joins)

    def prepare_few(self) -> None:
        """See :class:`twofold.encoders.engine.Engine`: of few images a call takes one, as ever."""


def _join(encoder: Encoder, output: str) -> tuple[tuple[int, ...], PatchGrid | None]:
    """The stage maps an output is made of, and what joins them."""
    base = split_side(output, encoder)[0]
    if not is_patches(base):
        return (int(base.removeprefix("stride")),), None
    strides, neighbourhood = patch_strides(base, encoder)
    channels = [encoder.spec.map_channels[stride] for stride in strides]
    return strides, modules.PatchGrid(channels, neighbourhood)


def _joined(maps: dict[int, Floats], strides: tuple[int, ...], grid: PatchGrid | None) -> Floats:
    if grid is None:
        return maps[strides[0]]
    return np.asarray(grid([torch.from_numpy(maps[stride]) for stride in strides]).numpy())


def _parts(encoder: Encoder, wanted: set[int], kind: ResolvedEngine) -> list[_Part]:
    """The network up to the deepest map that is wanted, cut at every map from the first wanted."""
    spec = encoder.spec
    strides = [s for s in sorted(spec.map_channels) if min(8, *wanted) <= s <= max(wanted)]
    found, before, channels = [], None, 3
    height, width = spec.preprocessing.shape
    for stride in strides:
        jump = stride // (before or 1)
        module = encoder.network.backbone.between(before, stride)
        found.append(_part(encoder, module, (before, stride), (channels, height, width), kind))
        height, width = -(-height // jump), -(-width // jump)
        before, channels = stride, spec.map_channels[stride]
    return found


def _part(
    encoder: Encoder,
    module: nn.Module,
    ends: tuple[int | None, int],
    inputs: tuple[int, int, int],
    kind: ResolvedEngine,
) -> _Part:
    """One part with its tiles, compiled."""
    before, stride = ends
    jump = stride // (before or 1)
    channels, height, width = inputs
    far = reach(module, channels)
    rows, columns = [Span(0, height, (0, height))], [Span(0, width, (0, width))]
    if far is not None:
        # Tiles that start at whole cells of the map have cells of the map.
        margin = -(-far // jump) * jump
        most = TILE_VALUES // channels
        rows, columns = plan((height, width), margin=margin, step=jump, most=most)
    tile = (rows[0].stop - rows[0].start, columns[0].stop - columns[0].start)
    preprocessing = encoder.spec.preprocessing if before is None else None
    run = _runner(encoder, module, ends, (channels, *tile), kind, preprocessing)
    return _Part(stride, jump, rows, columns, run)


def _runner(
    encoder: Encoder,
    module: nn.Module,
    ends: tuple[int | None, int],
    shape: tuple[int, int, int],
    kind: ResolvedEngine,
    preprocessing: Preprocessing | None,
) -> Runner:
    stretch = modules.Stretch(module).eval()
    if kind == "torch":
        return TorchRunner(stretch, preprocessing)
    key = conversion_digest(["part", list(ends), list(shape), encoder.fingerprint], shape[1:])
    model = load_or_convert(
        key,
        lambda: convert(
            stretch, shape=(1, *shape), preprocessing=preprocessing, sample=(1, shape[0], 64, 64)
        ),
    )
    channels, height, width = shape
    sample = (
        np.zeros((1, channels, height, width), dtype=np.float32)
        if preprocessing is None
        else np.zeros((1, height, width, channels), dtype=np.uint8)
    )
    # A tile keeps all cores busy, and a second one beside it would only take memory.
    runner = OpenVinoRunner(model, sample, streams=1)
    if _is_huge(encoder):
        runner.release()
    return runner
