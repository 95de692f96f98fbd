"""Tiles cover a plane once, each sees enough beyond what is kept of it, and joins show no seam."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from twofold.encoders import outputs, tiled
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import make_engine, whole_engine
from twofold.encoders.outputs import ResolvedEngine
from twofold.encoders.reach import reach
from twofold.encoders.tiles import Span, cut, plan


def check(spans: list[Span], length: int, margin: int, step: int) -> None:
    assert len({span.stop - span.start for span in spans}) == 1
    assert all(span.start % step == 0 for span in spans)
    assert (spans[0].start, spans[-1].stop) == (0, length)
    kept = [cell for span in spans for cell in range(*span.kept)]
    assert kept == list(range(length))
    for before, after in itertools.pairwise(spans):
        assert before.stop - before.kept[1] >= margin
        assert after.kept[0] - after.start >= margin
        assert before.kept[1] % step == 0


@given(st.integers(1, 700), st.integers(1, 9), st.integers(0, 6), st.sampled_from([1, 2, 8]))
def test_an_axis_is_covered_once(length: int, n: int, steps: int, step: int) -> None:
    check(cut(length, n, steps * step, step), length, steps * step, step)


@given(st.integers(8, 900), st.integers(8, 900), st.integers(0, 5), st.integers(3000, 90_000))
def test_a_plane_is_covered_by_tiles_of_one_size(h: int, w: int, steps: int, most: int) -> None:
    rows, columns = plan((h, w), margin=8 * steps, step=8, most=most)
    check(rows, h, 8 * steps, 8)
    check(columns, w, 8 * steps, 8)


def test_what_fits_is_one_tile() -> None:
    whole = ([Span(0, 100, (0, 100))], [Span(0, 80, (0, 80))])
    assert plan((100, 80), margin=16, step=8, most=8000) == whole


def test_tiles_are_as_few_as_the_bound_allows() -> None:
    rows, columns = plan((3648, 5472), margin=40, step=8, most=1_500_000)
    height, width = rows[0].stop - rows[0].start, columns[0].stop - columns[0].start
    assert height * width <= 1_500_000
    assert len(rows) * len(columns) * height * width < 1.13 * 3648 * 5472


class Chain(nn.Sequential):
    """Convolutions whose reach is known: half the kernel, times the stride before it, each."""

    def __init__(self, *layers: tuple[int, int]) -> None:
        super().__init__(
            *(nn.Conv2d(3, 3, kernel, stride, kernel // 2) for kernel, stride in layers)
        )


@pytest.mark.parametrize(
    ("layers", "cells"),
    [(((3, 1),), 1), (((5, 1), (3, 1)), 3), (((1, 1),), 0), (((3, 2), (3, 1)), 3)],
    ids=str,
)
def test_reach_is_that_of_the_kernels(layers: tuple[tuple[int, int], ...], cells: int) -> None:
    torch.manual_seed(0)
    assert reach(Chain(*layers), 3) == cells


def test_pooling_over_the_image_reaches_everywhere() -> None:
    class Gate(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * images.mean(dim=(2, 3), keepdim=True)

    assert reach(Gate(), 3) is None


@pytest.fixture(scope="module")
def lite0() -> Encoder:
    return load_encoder("efficientnet_lite0")


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of 0.2 megapixels are large, and tiles have as many: several in each part."""
    monkeypatch.setattr(outputs, "_MOST_TOGETHER", 200_000)
    monkeypatch.setattr(tiled, "TILE_VALUES", 600_000)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (1, height, width, 3), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", get_args(ResolvedEngine))
@pytest.mark.parametrize(
    "names",
    [
        ("patches:8@1",),
        pytest.param(("patches@3", "patches:4@1"), marks=pytest.mark.slow),
        pytest.param(("stride16", "stride32"), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_joined_maps_are_those_of_the_whole_image(
    lite0: Encoder,
    kind: ResolvedEngine,
    names: tuple[str, ...],
    small_tiles: None,
) -> None:
    del small_tiles
    height, width = 736, 608
    encoder = lite0.at_size(height, width)
    engine = make_engine(encoder, names, kind)
    assert isinstance(engine, tiled.TiledEngine)
    assert len(engine._parts[0].rows) * len(engine._parts[0].columns) > 1
    found = engine(picture(height, width))
    expected = whole_engine(encoder, names, kind)(picture(height, width))
    for mine, whole in zip(found, expected, strict=True):
        assert mine.shape == whole.shape
        np.testing.assert_allclose(mine, whole, atol=1e-4 * float(whole.std()))


@pytest.mark.slow
def test_sides_that_are_no_multiple_of_the_stride(lite0: Encoder, small_tiles: None) -> None:
    del small_tiles
    encoder = lite0.at_size(740, 605)
    names = ("patches:8@1",)
    (found,) = make_engine(encoder, names, "torch")(picture(740, 605))
    (whole,) = whole_engine(encoder, names, "torch")(picture(740, 605))
    np.testing.assert_allclose(found, whole, atol=1e-4 * float(whole.std()))


def test_a_network_that_sees_everything_at_once_is_not_cut(
    lite0: Encoder, small_tiles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del small_tiles
    monkeypatch.setattr(tiled, "reach", lambda *_: None)
    engine = make_engine(lite0.at_size(736, 608), ("patches:8@1",), "torch")
    assert isinstance(engine, tiled.TiledEngine)
    assert [len(part.rows) * len(part.columns) for part in engine._parts] == [1]


def test_blank_tiles_are_encoded_once(
    lite0: Encoder, small_tiles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del small_tiles
    monkeypatch.setattr(tiled, "TILE_VALUES", 300_000)
    encoder = lite0.at_size(736, 608)
    engine = make_engine(encoder, ("patches:8@1",), "torch")
    assert isinstance(engine, tiled.TiledEngine)
    (part,) = engine._parts
    seen: list[int] = []
    run = part.run

    def counted(tile: NDArray[Any]) -> Any:
        seen.append(1)
        return run(tile)

    engine._parts = [replace(part, run=counted)]  # type: ignore[arg-type]
    image = picture(736, 608)
    image[:, 200:] = (90, 100, 110)
    (found,) = engine(image)
    n = len(part.rows) * len(part.columns)
    assert len(seen) < n
    (whole,) = whole_engine(encoder, ("patches:8@1",), "torch")(image)
    np.testing.assert_allclose(found, whole, atol=1e-4 * float(whole.std()))


def test_vectors_and_networks_of_one_size_are_never_cut(lite0: Encoder) -> None:
    large = lite0.at_size(1024)
    assert tiled.is_large(large, ("patches@3", "stride8"))
    assert not tiled.is_large(large, ("patches@3", "pooled"))
    assert not tiled.is_large(lite0, ("patches@3",))
    fixed = replace(large, spec=replace(large.spec, any_size=False))
    assert not tiled.is_large(fixed, ("patches@3",))
    attentive = replace(large, spec=replace(large.spec, patch=16))
    assert not tiled.is_large(attentive, ("patches@3",))
