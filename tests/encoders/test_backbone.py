"""The chain of segments and its splits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from twofold.encoders.backbone import Backbone, as_map, freeze_batch_norm
from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError


def test_splits_count_the_frozen_segments(tiny: Encoder) -> None:
    backbone = tiny.network.backbone
    assert [backbone.split_index(t) for t in ("all", "last_stage", "head")] == [0, 2, 4]


@pytest.mark.parametrize("method", ["split_index", "suffix"])
def test_an_unknown_split_is_refused(tiny: Encoder, method: str) -> None:
    with pytest.raises(ConfigError, match=r"trainable 'neck'.*head, last_stage, all"):
        getattr(tiny.network.backbone, method)("neck")


def test_a_suffix_shares_the_parameters(tiny: Encoder) -> None:
    backbone = tiny.network.backbone
    suffix = backbone.suffix("last_stage")
    assert list(suffix.segments) == ["layer2", "pool"]
    own = {id(parameter) for parameter in backbone.parameters()}
    assert all(id(parameter) in own for parameter in suffix.parameters())


def test_prefix_and_suffix_make_the_whole(tiny: Encoder) -> None:
    backbone = tiny.network.backbone
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        whole = backbone(images)
        assert torch.equal(backbone.suffix("all")(images), whole)
        assert torch.equal(backbone.suffix("head")(whole), whole)
        middle = backbone.segments["layer1"](backbone.segments["stem"](images))
        assert torch.equal(backbone.suffix("last_stage")(middle), whole)


def test_segments_between_stage_maps(tiny: Encoder) -> None:
    backbone = tiny.network.backbone
    near, far = sorted(backbone.taps)
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        state, at = images, {}
        for name, segment in backbone.segments.items():
            state = at[name] = segment(state)
        fine = backbone.between(None, near)(images)
        assert torch.equal(fine, at[backbone.taps[near]])
        assert torch.equal(backbone.between(near, far)(fine), at[backbone.taps[far]])
        assert torch.equal(backbone.between(None, far)(images), at[backbone.taps[far]])
    own = {id(parameter) for parameter in backbone.parameters()}
    assert {id(parameter) for parameter in backbone.between(near, far).parameters()} <= own


def test_segments_between_stage_maps_that_are_not_there(tiny: Encoder) -> None:
    backbone = tiny.network.backbone
    near, far = sorted(backbone.taps)
    for first, last in ((near, 5), (5, far)):
        with pytest.raises(ConfigError, match=rf"stride 5: choose from {near}, {far}"):
            backbone.between(first, last)
    for first in (near, far):
        with pytest.raises(ConfigError, match=f"stride {near} is not behind that at stride"):
            backbone.between(first, near)


def test_tokens_become_a_square_map() -> None:
    tokens = torch.arange(2 * 10 * 3).reshape(2, 10, 3)
    grid = as_map(tokens)
    assert grid.shape == (2, 3, 3, 3)
    # Row by row, behind the class token.
    assert torch.equal(grid[1, :, 2, 1], tokens[1, 1 + 3 * 2 + 1])


def test_tokens_become_a_map_of_any_grid() -> None:
    tokens = torch.arange(2 * 11 * 3).reshape(2, 11, 3)
    grid = as_map(tokens, (2, 3))
    assert grid.shape == (2, 3, 2, 3)
    # Five tokens lead: the class token and four registers.
    assert torch.equal(grid[0, :, 1, 2], tokens[0, 5 + 3 * 1 + 2])


def test_maps_are_returned_as_they_are() -> None:
    maps = torch.randn(2, 3, 4, 5)
    assert as_map(maps) is maps


def test_freezing_touches_normalisation_only() -> None:
    convolution, norm, dropout = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()
    model = nn.Sequential(convolution, nn.Sequential(norm, dropout)).train()
    freeze_batch_norm(model)
    assert norm.running_mean is not None
    assert not norm.training
    assert convolution.training
    assert dropout.training
    before = norm.running_mean.clone()
    model(torch.randn(5, 3, 2, 2))
    assert torch.equal(norm.running_mean, before)


def test_the_last_stage_must_be_a_segment() -> None:
    backbone = Backbone({"stem": nn.Identity()}, {}, last_stage="nowhere")
    with pytest.raises(ValueError, match="nowhere"):
        backbone.split_index("last_stage")
