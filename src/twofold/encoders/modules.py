"""The PyTorch modules that read an encoder's outputs off its network.

Only converting a network, or running it with PyTorch, needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate

from twofold.encoders.backbone import SizedStem, as_map
from twofold.encoders.encoder import Encoder
from twofold.encoders.patches import MAX_CHANNELS, SEED, is_patches, patch_strides
from twofold.encoders.scales import is_pooled, shape_of
from twofold.encoders.spec import Trainable

__all__ = ["Outputs", "PatchGrid", "ResizeByProducts", "Stretch", "resized"]

Grid = tuple[int, int]


class Outputs(nn.Module):
    """The chain, stopped as early as the outputs allow, returning what was asked for.

    It runs once for each size at which the outputs see the images.

    Args:
        encoder: the network.
        outputs: names.
        resize: as :func:`resized`, which it agrees with.
    """

    def __init__(
        self,
        encoder: Encoder,
        outputs: Sequence[str],
        resize: Callable[[Tensor, Grid], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.resize = resized if resize is None else resize
        stem, *rest = encoder.network.backbone.segments.values()
        self.readers = nn.ModuleList(_reader(encoder, output) for output in outputs)
        # Output -> numbers of segments run before its parts are read off.
        self.depths = [_depths(encoder, output) for output in outputs]
        self.shapes = [shape_of(output, encoder) for output in outputs]
        self.stems = nn.ModuleList(
            stem.fixed(shape) if isinstance(stem, SizedStem) else stem
            for shape in dict.fromkeys(self.shapes)
        )
        self.rest = nn.ModuleList(rest)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, h, w) normalised images -> each output, (n, ...)."""
        states = {
            shape: self._states(self.resize(images, shape), shape, stem)
            for shape, stem in zip(dict.fromkeys(self.shapes), self.stems, strict=True)
        }
        return tuple(
            reader([states[shape][depth] for depth in depths])
            for reader, depths, shape in zip(self.readers, self.depths, self.shapes, strict=True)
        )

    def _states(self, images: Tensor, shape: tuple[int, int], stem: nn.Module) -> list[Tensor]:
        """The images and what each segment makes of them, as far as it is asked for."""
        asked = zip(self.depths, self.shapes, strict=True)
        deepest = max(max(depths) for depths, at in asked if at == shape)
        states = [images]
        for segment in [stem, *self.rest][:deepest]:
            states.append(segment(states[-1]))
        return states


def _depths(encoder: Encoder, output: str) -> tuple[int, ...]:
    backbone = encoder.network.backbone
    names = list(backbone.segments)
    if is_pooled(output):
        return (len(names),)
    if is_patches(output):
        strides, _ = patch_strides(output, encoder)
    elif output.startswith("stride"):
        strides = (int(output.removeprefix("stride")),)
    else:
        split: Trainable = output.removeprefix("split:")  # type: ignore[assignment]
        return (backbone.split_index(split),)
    return tuple(names.index(backbone.taps[stride]) + 1 for stride in strides)


def _reader(encoder: Encoder, output: str) -> nn.Module:
    """From the states an output is read off to the output."""
    if is_patches(output):
        strides, neighbourhood = patch_strides(output, encoder)
        channels = [encoder.spec.map_channels[stride] for stride in strides]
        grids = [_grid(encoder, stride) for stride in strides]
        return _Maps(PatchGrid(channels, neighbourhood), grids)
    is_map = output.startswith("stride")
    return _Only(_grid(encoder, int(output.removeprefix("stride"))) if is_map else None)


def _grid(encoder: Encoder, stride: int) -> Grid:
    """Rows and columns of a stage map."""
    height, width = encoder.spec.preprocessing.shape
    return -(-height // stride), -(-width // stride)


class _Only(nn.Module):
    """The one state there is, as a map on a grid or, without one, as it is."""

    def __init__(self, grid: Grid | None) -> None:
        super().__init__()
        self._grid = grid

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return states[0] if self._grid is None else as_map(states[0], self._grid)


class _Maps(nn.Module):
    """Several states as maps, each on its grid, joined."""

    def __init__(self, join: nn.Module, grids: Sequence[Grid]) -> None:
        super().__init__()
        self.join = join
        self._grids = list(grids)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        maps = [as_map(state, grid) for state, grid in zip(states, self._grids, strict=True)]
        return self.join(maps)  # type: ignore[no-any-return]


class PatchGrid(nn.Module):
    """Stage maps, each averaged over its neighbourhood, on the grid of the coarsest, joined.

    Averaging over neighbours tolerates small displacements (Roth et al. 2022, PatchCore, eq. 2).
    More than :data:`MAX_CHANNELS` channels are mixed down by a fixed random projection, which keeps
    distances to within a few percent (Johnson & Lindenstrauss 1984): at most
    ``4 * MAX_CHANNELS * grid**2`` bytes an image, 125 KB at 14 x 14 places, for every encoder.

    Args:
        channels: of the maps, in the order they are given to :meth:`forward`.
        neighbourhood: odd.
    """

    projection: Tensor | None

    def __init__(self, channels: Sequence[int], neighbourhood: int) -> None:
        super().__init__()
        self._side = neighbourhood
        total = sum(channels)
        projection = None
        if total > MAX_CHANNELS:
            generator = torch.Generator().manual_seed(SEED)
            mixing = torch.randn(total, MAX_CHANNELS, generator=generator, dtype=torch.float64)
            # Orthonormal columns lose the least; the factor keeps the mean squared length.
            columns = torch.linalg.qr(mixing)[0] * math.sqrt(total / MAX_CHANNELS)
            projection = columns.T.reshape(MAX_CHANNELS, total, 1, 1).float()
        self.register_buffer("projection", projection)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (n, c_i, g_i, h_i) -> (n, min(sum c_i, MAX_CHANNELS), g, h), the least of each."""
        # While OpenVINO traces, sizes are tensors; those of an engine never change.
        down, across = (min(int(one.shape[axis]) for one in maps) for axis in (-2, -1))
        parts = []
        for feature_map in maps:
            smooth = feature_map
            if self._side > 1:
                smooth = avg_pool2d(
                    feature_map, self._side, 1, self._side // 2, count_include_pad=False
                )
            parts.append(adaptive_avg_pool2d(smooth, (down, across)))
        joined = torch.cat(parts, dim=1)
        if self.projection is None:
            return joined
        return nn.functional.conv2d(joined, self.projection)


class Stretch(nn.Module):
    """Consecutive segments from one stage map to the next, as one output."""

    def __init__(self, segments: nn.Module) -> None:
        super().__init__()
        self.segments = segments

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """A stage map, or normalised images, (n, c, h, w) -> the map that comes next."""
        return (as_map(self.segments(inputs)),)


class ResizeByProducts(nn.Module):
    """What :func:`resized` does, as products with constant matrices.

    Other runtimes know an antialiasing filter by other names, in other versions, or not at all;
    all of them multiply alike.

    Args:
        before: height and width in pixels of what comes.
        after: likewise of each size that is asked for.
    """

    def __init__(self, before: Grid, after: Iterable[Grid]) -> None:
        super().__init__()
        self._names: dict[Grid, tuple[str, str]] = {}
        for shape in after:
            if shape == before:
                continue
            names = [f"from_{n}_to_{m}" for n, m in zip(before, shape, strict=True)]
            for name, n, m in zip(names, before, shape, strict=True):
                # What the filter makes of an image that is 1 in one column: that column's weights.
                weights = resized(torch.eye(n).reshape(1, 1, n, n), (n, m)).reshape(n, m)
                self.register_buffer(name, weights)
            self._names[shape] = (names[0], names[1])

    def forward(self, images: Tensor, shape: Grid) -> Tensor:
        """Images (n, 3, h, w) at one of the sizes."""
        if shape not in self._names:
            return images
        down, across = (getattr(self, name) for name in self._names[shape])
        return down.T @ (images @ across)  # type: ignore[no-any-return]


def resized(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Images (n, 3, h, w) at another height and width; antialiased, as vectors depend on it."""
    if (int(images.shape[-2]), int(images.shape[-1])) == shape:
        return images
    return interpolate(images, shape, mode="bilinear", antialias=True, align_corners=False)
