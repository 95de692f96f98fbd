"""From what a user gives to what a method declares."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import power_normalise
from twofold.detector.arguments import whole_labels
from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, NotEnoughImagesError, UsageError
from twofold.images import (
    ImageInput,
    ImageSet,
    MaskInput,
    Masks,
    find_images,
    same_shape,
    survey,
)
from twofold.images.manifest import read_column
from twofold.images.tables import is_table, table_column
from twofold.methods import FitData, Method, MethodConfig, first_by_name
from twofold.threads import one_thread
from twofold.thresholds import find_groups

__all__ = [
    "FitImages",
    "as_given",
    "check_given",
    "find_fit_images",
    "grouped",
    "hand_over",
    "require_usable",
]


@dataclass(frozen=True)
class FitImages:
    """The images of a fit as they were found, with the bit depth at which they are read.

    Attributes:
        source: normal images.
        target: unlabelled images, or None.
        shots: target images known to be normal, or None.
        anomalies: source images known to be anomalous, or None.
        labels: int64 (n,), one per target image, or None.
        groups: int64 (n,), those the user gives, one per target image; or None.
        bit_depths: of the source's and the target's images with more than 8 bits; None where there
            are no such images.
        notes: what a user should know of the files, one line each.
        masks: what is left out of all of them, or None.
    """

    source: ImageSet
    target: ImageSet | None
    shots: ImageSet | None
    anomalies: ImageSet | None
    labels: NDArray[np.int64] | None
    groups: NDArray[np.int64] | None
    bit_depths: tuple[int | None, int | None]
    notes: tuple[str, ...]
    masks: Masks | None = None


def find_fit_images(
    source: ImageInput,
    target: ImageInput | None,
    *,
    shots: ImageInput | None = None,
    anomalies: ImageInput | None = None,
    labels: object = None,
    groups: object = None,
    bit_depth: int | None = None,
    mask: MaskInput | None = None,
) -> FitImages:
    """Find the images and the bit depth of either domain, and note what is odd.

    Source and target may come from two cameras, so each has a depth of its own.

    Args:
        source: as the user gives it.
        target: unlabelled images of the target, as the user gives them.
        shots: target images known to be normal, as the user gives them.
        anomalies: source images known to be anomalous, as the user gives them.
        labels: of the target, as the user gives them.
        groups: of the target, as the user gives them.
        bit_depth: that the user states; None finds it.
        mask: of all these images, as the user gives it.

    Raises:
        ImageSourceError: there are no images.
        ConfigError: not one label or group per target image, or the mask cannot be used.
    """
    masks = None if mask is None else Masks.find(mask)
    whole = None if labels is None else whole_labels(labels)
    found = {
        name: None if given is None else find_images(given).masked(masks)
        for name, given in (("target", target), ("shots", shots), ("anomalies", anomalies))
    }
    source_set, pool = find_images(source).masked(masks), found["target"]
    if pool is not None and whole is not None and len(whole) != len(pool):
        raise ConfigError(f"target_labels has {len(whole)} entries for {len(pool)} target images")
    depth, notes, shape = _look_over(source_set, bit_depth, "source")
    pool_depth, pool_notes, pool_shape = (
        (None, (), None) if pool is None else _look_over(pool, bit_depth, "target")
    )
    notes += pool_notes + _shapes_differ(shape, pool_shape)
    if None not in (depth, pool_depth) and depth != pool_depth:
        notes += (
            f"source images are read with {depth} bits and target images with {pool_depth}: if "
            "one camera took both, state its bit depth (bit_depth)",
        )
    # Shots come from the target's camera, known anomalies from the source's.
    depths = {"target": pool_depth, "shots": pool_depth, "anomalies": depth}
    read = {
        name: None if images is None else images.at_depth(depths[name])
        for name, images in found.items()
    }
    return FitImages(
        source=source_set.at_depth(depth),
        **read,
        labels=whole,
        groups=_whole_groups(groups, target, pool),
        bit_depths=(depth, pool_depth),
        notes=notes,
        masks=masks,
    )


def _whole_groups(
    groups: Any, given: ImageInput | None, target: ImageSet | None
) -> NDArray[np.int64] | None:
    """One number for each target image as given.

    Raises:
        ConfigError: there is no target, or not one group for each of its images.
        ImageSourceError: a column is named, and the target is no manifest or data frame
            that has it.
    """
    if groups is None:
        return None
    if isinstance(groups, str):
        groups = _column(given, groups)
    names = list(np.asarray(groups, dtype=object).ravel())
    if np.ndim(groups) != 1 or target is None or len(names) != len(target):
        found = 0 if target is None else len(target)
        raise ConfigError(f"groups must hold one entry for each of the {found} target images")
    # Nobody knows what an image without an entry belongs to: it is a group of its own.
    known = [("", row) if _is_blank(name) else (str(name), -1) for row, name in enumerate(names)]
    numbers = {name: number for number, name in enumerate(sorted(set(known)))}
    return np.array([numbers[name] for name in known], dtype=np.int64)


def _column(given: ImageInput | None, name: str) -> list[Any]:
    """A column of the manifest or data frame that the target is given as."""
    if is_table(given):
        return table_column(given, name)
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(
            f"groups={name!r} names a column: give the target as a manifest or data frame"
        )
    return list(read_column(os.fspath(given), name))


def _is_blank(entry: object) -> bool:
    """None, a text of spaces, or what numpy and pandas write for a value that is missing."""
    if isinstance(entry, str):
        return not entry.strip()
    return entry is None or str(entry) in ("nan", "NaT", "<NA>")


def grouped(images: EncodedImages, given: NDArray[np.int64] | None = None) -> EncodedImages:
    """Images with what belongs together, see :func:`twofold.thresholds.find_groups`.

    Args:
        images: usable, with their pooled vectors.
        given: int64 (n,), the user's groups of the images as given.
    """
    mine = None if given is None else given[images.kept]
    vectors = power_normalise(images["pooled"])
    with one_thread():
        return replace(images, groups=find_groups(vectors, images.names, images.digests, mine))


def _shapes_differ(source: float | None, target: float | None) -> tuple[str, ...]:
    """A note where images of the two domains have another ratio of width and height."""
    if source is None or target is None or same_shape(source, target):
        return ()
    return (
        f"source images are {source:.2f} times as wide as high, target images {target:.2f} times: "
        "both are brought to one shape, and things look stretched in one of them",
    )


def _look_over(
    images: ImageSet, stated: int | None, name: str
) -> tuple[int | None, tuple[str, ...], float | None]:
    """The bit depth of one set, if it has images with more than 8 bits; notes; and its shape."""
    found = survey(images, find_depth=stated is None)
    depth = found.bit_depth if stated is None or not found.n_deep else stated
    notes = found.notes
    if images.masks is not None:
        notes += images.masks.notes(images.names)
    return depth, tuple(f"{name}: {note}" for note in notes), found.shape


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
    wanted = config.wanted(method.needs)
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
    labels: NDArray[np.int64] | None,
) -> FitData:
    """Exactly what a method declares.

    Args:
        method: not fitted yet.
        source: usable source images.
        pool: usable target images.
        shots: usable target images known to be normal.
        anomalies: usable source images known to be anomalous.
        selection: the pool under the method's second encoder.
        labels: int64 (n,), one per target image as given, unusable ones included.
    """
    data = FitData(source=source, target_shots=shots, source_anomalies=anomalies)
    wanted = method.config.wanted(method.needs)
    if "source_reference" in wanted:
        data = replace(data, source_reference=first_by_name(source))
    if pool is None or "target_pool" not in wanted:
        return data
    data = replace(data, target_pool=pool, target_selection=selection)
    if labels is not None:
        data = replace(data, target_labels=labels[pool.kept])
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


def as_given(values: NDArray[Any], images: EncodedImages, missing: float) -> NDArray[Any]:
    """Values of the usable images -> one for each image as given, ``missing`` for the others.

    Args:
        values: (m,), one for each of ``images``.
        images: usable, of a whole set as given.
        missing: what stands for an unusable one.
    """
    whole = np.full(len(images) + len(images.problems), missing, dtype=values.dtype)
    whole[images.kept] = values
    return whole
