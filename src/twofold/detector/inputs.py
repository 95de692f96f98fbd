"""From what a user gives to what a method declares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, NotEnoughImagesError, UsageError
from twofold.methods import FitData, Method, MethodConfig, first_by_name

__all__ = ["check_given", "hand_over", "require_usable"]


def check_given(
    method: type[Method],
    config: MethodConfig,
    *,
    target: bool,
    target_shots: bool,
    target_labels: bool,
    source_anomalies: bool = False,
) -> None:
    """Refuse missing and forbidden data before any work.

    A target that a method does not use is no mistake: the evidence is about it.

    Raises:
        UsageError: images are missing.
        ConfigError: labels are missing; or images or labels are given that it must not see.
    """
    wanted = method.wanted(config)
    if "target_pool" in wanted and not target:
        raise UsageError(f"method {method.id} needs target images")
    if "target_shots" in wanted and not target_shots:
        raise UsageError(f"method {method.id} needs target_shots: a few target images known normal")
    if target_shots and "target_shots" not in wanted:
        raise ConfigError(f"method {method.id} must not see target_shots")
    if "source_anomalies" in wanted and not source_anomalies:
        raise UsageError(
            f"method {method.id} with these options needs source_anomalies: source images known "
            "to be anomalous"
        )
    if source_anomalies and "source_anomalies" not in wanted:
        raise ConfigError(f"method {method.id} must not see source_anomalies")
    if target_labels != method.uses_labels():
        verb = "must not see" if target_labels else "needs"
        raise ConfigError(f"method {method.id} {verb} target_labels")


def hand_over(
    method: Method,
    source: EncodedImages,
    *,
    pool: EncodedImages | None,
    shots: EncodedImages | None,
    anomalies: EncodedImages | None = None,
    selection: EncodedImages | None,
    labels: NDArray[np.integer] | None,
) -> FitData:
    """Exactly what a method declares.

    Args:
        method: not fitted yet.
        source: usable source images.
        pool: usable target images.
        shots: usable target images known to be normal.
        anomalies: usable source images known to be anomalous.
        selection: the pool under the method's second encoder.
        labels: int (n,), one per target image as given, unusable ones included.

    Raises:
        ConfigError: not one label per target image.
    """
    data = FitData(source=source, target_shots=shots, source_anomalies=anomalies)
    wanted = method.wanted(method.config)
    if "source_reference" in wanted:
        data = replace(data, source_reference=first_by_name(source))
    if pool is None or "target_pool" not in wanted:
        return data
    data = replace(data, target_pool=pool, target_selection=selection)
    if labels is not None:
        given = np.asarray(labels, dtype=np.int64)
        n = len(pool) + len(pool.problems)
        if len(given) != n:
            raise ConfigError(f"target_labels has {len(given)} entries for {n} target images")
        data = replace(data, target_labels=given[pool.kept])
    return data


def require_usable(images: EncodedImages, what: str) -> EncodedImages:
    """The images, if there are any.

    Raises:
        NotEnoughImagesError: none can be used; the message names the first and its reason.
    """
    if not len(images):
        first = images.problems[0]
        raise NotEnoughImagesError(
            f"none of the {len(images.problems)} {what} images can be used; the first, "
            f"{first.path}: {first.reason}"
        )
    return images
