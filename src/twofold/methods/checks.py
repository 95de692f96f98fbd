"""Whether the data of a fit are those that a method declares."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.methods.config import MethodConfig, Need
from twofold.methods.data import FitData
from twofold.methods.rows import check_labels

__all__ = ["check_declared"]


def check_declared(
    method: str, config: MethodConfig, needs: frozenset[Need], data: FitData
) -> None:
    """Refuse data that are missing, forbidden or too few.

    Args:
        method: its id.
        config: its options.
        needs: what it consumes whatever they are.
        data: of the fit.

    Raises:
        ConfigError: data missing or not declared.
        NotEnoughImagesError: too few images.
    """
    wanted = config.wanted(needs)
    for name in get_args(Need):
        given = getattr(data, name) is not None
        if given and name not in wanted:
            raise ConfigError(f"method {method} must not see {name}")
        if not given and name in wanted:
            raise ConfigError(f"method {method} needs {name}")
    _check_selection(method, config, data)
    for field in fields(data):
        images = getattr(data, field.name)
        if isinstance(images, EncodedImages) and not len(images):
            raise NotEnoughImagesError(f"{field.name} holds no usable image")
    # Out-of-sample scores need one image to score and one to fit on.
    for name, images in (("source", data.source), ("target", data.target_pool)):
        if images is not None and len(images) < 2:
            raise NotEnoughImagesError(f"{name} needs at least 2 images, got {len(images)}")
    if data.target_labels is not None and data.target_pool is not None:
        check_labels(data.target_labels, len(data.target_pool))
    if data.known_normal and data.target_pool is None:
        raise ConfigError("known_normal names images of target_pool, which is not given")


def _check_selection(method: str, config: MethodConfig, data: FitData) -> None:
    wanted = config.selection_encoder()
    if (wanted is None) != (data.target_selection is None):
        verb = "must not see" if wanted is None else "needs"
        name = "" if wanted is None else f": the pool encoded by {wanted}"
        raise ConfigError(f"method {method} {verb} target_selection{name}")
    if data.target_selection is not None and data.target_pool is not None:
        n, expected = len(data.target_selection), len(data.target_pool)
        if n != expected:
            raise ConfigError(f"target_selection has {n} images, target_pool {expected}")
