"""Patch grids against slow averages; the names they go by; both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.modules import PatchGrid
from twofold.encoders.outputs import BATCH, EngineKind
from twofold.encoders.patches import (
    MAX_CHANNELS,
    is_patches,
    patch_channels,
    patch_strides,
    patches_name,
)
from twofold.errors import ConfigError

RandomBatch = Callable[..., NDArray[np.uint8]]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_average(feature_map: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Each place as the mean of those around it that there are."""
    n, c, g, _ = feature_map.shape
    found, reach = np.empty((n, c, g, g)), side // 2
    for i in range(g):
        for j in range(g):
            rows = range(max(0, i - reach), min(g, i + reach + 1))
            columns = range(max(0, j - reach), min(g, j + reach + 1))
            around = [feature_map[:, :, a, b] for a in rows for b in columns]
            found[:, :, i, j] = np.mean(around, axis=0)
    return found


@pytest.mark.parametrize("side", [1, 3, 5, 15])
def test_averages_over_neighbours_and_not_over_what_lies_outside(side: int) -> None:
    feature_map = draw(2, 3, 6, 6)
    found = PatchGrid([3], side)([feature_map]).numpy()
    np.testing.assert_allclose(found, slow_average(feature_map.numpy(), side), atol=1e-6)


def test_finer_maps_are_averaged_onto_the_coarsest_grid_and_joined() -> None:
    fine, coarse = draw(2, 3, 8, 8), draw(2, 5, 4, 4, seed=1)
    found = PatchGrid([3, 5], 3)([fine, coarse]).numpy()
    assert found.shape == (2, 8, 4, 4)
    smooth = slow_average(fine.numpy(), 3)
    expected = smooth.reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-6)
    np.testing.assert_allclose(found[:, 3:], slow_average(coarse.numpy(), 3), atol=1e-6)
    turned = PatchGrid([5, 3], 3)([coarse, fine]).numpy()
    np.testing.assert_allclose(turned, np.roll(found, 5, axis=1), atol=1e-6)


@pytest.mark.parametrize("total", [MAX_CHANNELS + 1, 400])
def test_many_channels_are_mixed_down_at_the_same_mean_squared_length(total: int) -> None:
    grid = PatchGrid([total], 1)
    feature_map = draw(4, total, 10, 10)
    found = grid([feature_map])
    assert found.shape == (4, MAX_CHANNELS, 10, 10)
    before, after = (values.square().sum(dim=1).mean().item() for values in (feature_map, found))
    assert after == pytest.approx(before, rel=0.02)
    rows = [v.permute(0, 2, 3, 1).reshape(400, -1).double() for v in (feature_map, found)]
    ratio = torch.pdist(rows[1]).square() / torch.pdist(rows[0]).square()
    assert ratio.mean().item() == pytest.approx(1.0, abs=0.02)
    assert ratio.std().item() < np.sqrt(2 / MAX_CHANNELS)


def test_the_projection_is_always_the_same_and_leaves_the_global_generator() -> None:
    before = torch.get_rng_state()
    one, two = (PatchGrid([100, 200], 3).projection for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one is not None
    assert two is not None
    assert torch.equal(one, two)
    columns = one.reshape(MAX_CHANNELS, 300).double()
    expected = torch.eye(MAX_CHANNELS).double() * 300 / MAX_CHANNELS
    torch.testing.assert_close(columns @ columns.T, expected, atol=1e-5, rtol=0)


def test_few_channels_are_left_alone() -> None:
    assert PatchGrid([100, MAX_CHANNELS - 100], 3).projection is None


@pytest.mark.parametrize(
    ("strides", "side", "name"),
    [
        (None, 3, "patches@3"),
        ((8,), 1, "patches:8@1"),
        ([16, 8, 16], 3, "patches:8+16@3"),
        ((4, 8, 32), 15, "patches:4+8+32@15"),
    ],
)
def test_names(strides: Sequence[int] | None, side: int, name: str) -> None:
    assert patches_name(strides, side) == name
    assert is_patches(name)


@pytest.mark.parametrize("name", ["pooled", "stride8", "split:head", "pixels", ""])
def test_other_outputs_are_no_patches(name: str) -> None:
    assert not is_patches(name)


def test_a_name_says_which_maps(tiny: Encoder) -> None:
    assert patch_strides("patches@3", tiny) == ((8, 16), 3)
    assert patch_strides("patches:16@1", tiny) == ((16,), 1)
    assert patch_strides("patches:16+8@5", tiny) == ((8, 16), 5)
    assert patch_strides("patches:8+8@5", tiny) == ((8,), 5)
    assert patch_channels("patches@3", tiny) == 28
    assert patch_channels("patches:16@1", tiny) == 16


def test_the_usual_strides_are_the_middle_ones_where_there_are_any(lite0: Encoder) -> None:
    assert patch_strides("patches@3", lite0) == ((8, 16), 3)
    assert patch_channels("patches@3", lite0) == 152
    assert patch_channels("patches:8+16+32@3", lite0) == MAX_CHANNELS


@pytest.mark.parametrize(("strides", "usual"), [((4, 32), (4, 32)), ((4, 8), (8,))])
def test_without_the_usual_strides_all_there_are(
    tiny: Encoder, strides: tuple[int, ...], usual: tuple[int, ...]
) -> None:
    spec = replace(tiny.spec, map_channels=dict.fromkeys(strides, 8))
    assert patch_strides("patches@3", replace(tiny, spec=spec)) == (usual, 3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("patches", "unknown output 'patches': write patches@3"),
        ("patches@", "unknown output"),
        ("patches:@3", "unknown output"),
        ("patches:8+@3", "unknown output"),
        ("patches:8-16@3", "unknown output"),
        ("patches@3.0", "unknown output"),
        ("patches@-3", "unknown output"),
        ("patches@2", "patches@2: the neighbourhood must be odd, not 2"),
        ("patches@0", "must be odd, not 0"),
        ("patches:4+8@3", "tiny has no stage map at stride 4: choose from 8, 16"),
    ],
)
def test_names_that_stand_for_nothing(tiny: Encoder, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        patch_strides(name, tiny)
    with pytest.raises(ConfigError, match=reason):
        make_engine(tiny, [name], "torch")


OUTPUTS = ("patches@3", "patches:16@1", "pooled", "stride8")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_an_engine_gives_the_grid_of_its_own_maps(
    tiny: Encoder, random_batch: RandomBatch, kind: EngineKind
) -> None:
    engine = make_engine(tiny, ("stride16", *OUTPUTS), kind)
    stride16, both, one, _, stride8 = engine(random_batch(32))
    assert both.shape == (BATCH, 28, 2, 2)
    assert both.dtype == np.float32
    maps = [torch.from_numpy(np.array(values)) for values in (stride8, stride16)]
    np.testing.assert_allclose(both, PatchGrid([12, 16], 3)(maps).numpy(), atol=1e-5)
    np.testing.assert_allclose(one, stride16, atol=1e-6)


@pytest.mark.slow
def test_both_engines_agree(tiny: Encoder, random_batch: RandomBatch) -> None:
    batch = random_batch(32)
    by_openvino, by_torch = (
        make_engine(tiny, OUTPUTS, kind)(batch) for kind in ("openvino", "torch")
    )
    for name, one, other in zip(OUTPUTS, by_openvino, by_torch, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["patches@3", "patches:8+16+32@3"])
@pytest.mark.slow
def test_both_engines_agree_on_lite0(
    lite0: Encoder,
    random_batch: RandomBatch,
    name: str,
    isolated: Callable[[], AbstractContextManager[None]],
) -> None:
    batch = random_batch(224)
    with isolated():
        (by_openvino,), (by_torch,) = (
            make_engine(lite0, [name], kind)(batch) for kind in ("openvino", "torch")
        )
    side = 14 if name == "patches@3" else 7
    assert by_torch.shape == (BATCH, patch_channels(name, lite0), side, side)
    scale = float(np.abs(by_torch).max())
    np.testing.assert_allclose(by_openvino, by_torch, atol=1e-4 * scale)


@pytest.mark.slow
def test_an_image_gets_the_same_bits_in_any_company(
    tiny: Encoder, random_batch: RandomBatch
) -> None:
    batch, other = random_batch(32), random_batch(32, seed=1)
    other[3] = batch[0]
    for kind in ("openvino", "torch"):
        engine = make_engine(tiny, OUTPUTS, kind)
        for one, two in zip(engine(batch), engine(other), strict=True):
            assert np.array_equal(one[0], two[3])
