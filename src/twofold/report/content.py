"""What a page holds: the data that its scripts read, as plain JSON content."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.detector.references import Reference, References, picture_of
from twofold.errors import ImageError
from twofold.report.ladder import Step, ladder, near
from twofold.report.likeness import flat_map, nearest
from twofold.report.looking import Look
from twofold.report.pictures import as_text, draw

__all__ = ["MOST_BYTES", "gallery", "in_order", "normals", "places", "thresholds"]

MOST_BYTES = 15_000_000
"""A page stays below."""
# Of the rest: what scores, names and maps leave.
_FOR_MAPS = 3_000_000
_RESERVED = 1_500_000
_MOST_FIRST = 400
_ALIKE = 3
_SHOWN_NEW = 1200
_MOST_CALIBRATION = 20_000
_SIDE = 96

Json = dict[str, Any]


def in_order(look: Look, nearest_from: float) -> tuple[list[int], list[int]]:
    """Usable rows that matter most (flagged, then near the threshold), and all others.

    Args:
        look: at the images.
        nearest_from: score from which on an image that is not flagged is near the threshold.

    Returns:
        Two lists, by descending score.
    """
    scores = look.scores.scores
    order = [int(row) for row in np.argsort(-scores, kind="stable") if not np.isnan(scores[row])]
    first = [row for row in order if look.scores.anomalous[row] == 1]
    others = [row for row in order if look.scores.anomalous[row] != 1]
    close = [row for row in others if scores[row] >= nearest_from]
    chosen = (first + close)[:_MOST_FIRST]
    known = set(chosen)
    return chosen, [row for row in order if row not in known]


def gallery(look: Look, folder: Path, nearest_from: float, spent: int) -> Json:
    """Pictures, maps, boxes, scores and names of all images, a list each, by row.

    Args:
        look: at the images.
        folder: that the page will lie in.
        nearest_from: see :func:`in_order`.
        spent: bytes that other parts of the page take.
    """
    result, names = look.scores, look.scores.names
    first, rest = in_order(look, nearest_from)
    rows = range(len(names))
    problems = {problem.path: problem.reason for problem in result.problems}
    content: Json = {
        "names": list(names),
        "links": [_link(name, folder) for name in names],
        "scores": [_number(value) for value in result.scores],
        "percentiles": [_number(value, 4) for value in result.percentiles],
        "pValues": [_number(value, 4) for value in result.p_values],
        "problems": [None if result.usable[row] else problems.get(names[row]) for row in rows],
        **_maps(look, first + rest),
    }
    text = sum(len(name) + 120 for name in names) + spent
    found = draw(look.images, first, rest, MOST_BYTES - _FOR_MAPS - _RESERVED - text)
    return content | {"pictures": [found.get(row) for row in rows]}


def _maps(look: Look, order: Sequence[int]) -> Json:
    """Maps and boxes, as many as there is room for, those that matter most first."""
    grids: list[str | None] = [None] * len(look.scores.names)
    boxes: list[list[list[float]] | None] = [None] * len(grids)
    shape, left = None, _FOR_MAPS
    for row in order:
        if row not in look.grids:
            continue
        shape = look.grids[row].shape
        text = base64.b64encode(look.grids[row].tobytes()).decode("ascii")
        found = [
            [
                *(round(edge, 4) for edge in box.edges()),
                int(box.anomalous),
            ]
            for box in look.boxes[row]
        ]
        left -= len(text) + 32 * len(found)
        if left < 0:
            break
        grids[row], boxes[row] = text, found
    return {"grids": grids, "boxes": boxes, "gridShape": shape}


def thresholds(detector: Detector, n_images: int) -> Json:
    """Calibration scores, and thresholds at the rates that they can keep, the model's own too.

    Args:
        detector: fitted.
        n_images: usable new images.
    """
    calibration, threshold = detector.calibration_, detector.threshold_
    own = Step.of(calibration, threshold, n_images)
    kept, _ = calibration.kept_for(threshold.requested_rate)
    scores, weights = calibration.scores, calibration.weights
    if len(scores) > _MOST_CALIBRATION:
        rows = np.linspace(0, len(scores) - 1, _MOST_CALIBRATION).astype(int)
        scores, weights = scores[rows], weights[rows]
    return {
        "value": threshold.value,
        "rate": threshold.false_alarm_rate,
        "near": near(calibration, threshold.value),
        "origin": calibration.origin,
        "calibration": [_number(value, 6) for value in scores],
        "weights": [_number(value, 4) for value in weights],
        "presumedUpTo": float(kept.scores[-1]),
        "own": [own.rate, own.value, own.expected, own.low, own.high],
        "steps": [
            [step.rate, step.value, round(step.expected, 2), step.low, step.high, int(step.mark)]
            for step in ladder(calibration, n_images)
        ],
    }


def normals(look: Look, references: References | None) -> Json:
    """The nearest kept normals of each image, and the pictures of those that are named.

    Args:
        look: at the images.
        references: of the model, or None.
    """
    if references is None or not look.vectors.shape[1]:
        return {"alike": None, "normals": []}
    usable = ~np.isnan(look.scores.scores)
    pictures: list[Json] = []
    alike: list[list[list[int]] | None] = [[] if known else None for known in usable]
    for domain, kept in (("target", references.target), ("source", references.source)):
        if not len(kept) or kept.vectors.shape[1] != look.vectors.shape[1]:
            continue
        found, _ = nearest(look.vectors[usable], kept.vectors.astype(np.float32), _ALIKE)
        numbers = _pictures(kept, np.unique(found), domain, pictures)
        for row, places in zip(np.flatnonzero(usable), found.tolist(), strict=True):
            own = alike[row]
            assert own is not None
            own.append([numbers[place] for place in places if place in numbers])
    return {"alike": alike, "normals": pictures}


def _pictures(
    kept: Reference, wanted: NDArray[np.int64], domain: str, pictures: list[Json]
) -> dict[int, int]:
    """Add the wanted pictures, made anew as nobody vouches for their bytes; place -> number."""
    numbers = {}
    for place in wanted.tolist():
        try:
            text = as_text(picture_of(kept.pictures[place]), _SIDE)
        except ImageError:
            continue
        numbers[place] = len(pictures)
        score = _number(kept.scores[place], 4) if domain == "target" else None
        pictures.append({"domain": domain, "picture": text, "score": score})
    return numbers


def places(look: Look, references: References | None) -> Json | None:
    """The flat map of kept normals and new images; None where there are too few normals.

    Args:
        look: at the images.
        references: of the model, or None.

    Returns:
        ``source`` and ``target``: lists of [x, y]; ``new``: of [row, x, y]; ``explained``; and
        ``nearTarget`` by row: whether the nearest kept normal is one of the target.
    """
    if references is None:
        return None
    source, target = (
        kept.vectors.astype(np.float32) for kept in (references.source, references.target)
    )
    known = np.concatenate([source, target])
    rows = np.flatnonzero(~np.isnan(look.scores.scores))
    if len(known) < 3 or not len(rows) or known.shape[1] != look.vectors.shape[1]:
        return None
    flagged = rows[look.scores.anomalous[rows] == 1]
    if len(rows) > _SHOWN_NEW:
        others = np.setdiff1d(rows, flagged)
        chosen = flagged[: _SHOWN_NEW // 2]
        even = np.linspace(0, len(others) - 1, _SHOWN_NEW - len(chosen)).astype(int)
        rows = np.unique(np.concatenate([chosen, others[even] if len(others) else others]))
    found = flat_map(known, look.vectors[rows])
    first, _ = nearest(look.vectors[rows], known, 1)
    return {
        "source": np.round(found.known[: len(source)], 4).tolist(),
        "target": np.round(found.known[len(source) :], 4).tolist(),
        "new": [
            [int(row), *point]
            for row, point in zip(rows, np.round(found.new, 4).tolist(), strict=True)
        ],
        "nearTarget": [int(place >= len(source)) for place in first[:, 0]],
        "explained": found.explained,
    }


def _link(name: str, folder: Path) -> str | None:
    """The address of an image relative to the page, if it lies in the page's folder or below."""
    path = os.path.realpath(name)
    inside = os.path.relpath(path, folder)
    if inside.startswith("..") or Path(inside).is_absolute() or not Path(path).is_file():
        return None
    # With every sign escaped that could make a scheme or leave the folder.
    return "./" + quote(Path(inside).as_posix().encode("utf-8", "surrogateescape"))


def _number(value: float, digits: int | None = None) -> float | None:
    """A number as JSON has it; to so many significant digits, or in full."""
    if _nothing(value):
        return None
    return float(value) if digits is None else float(f"{value:.{digits}g}")


def _nothing(value: float) -> bool:
    return bool(np.isnan(value))
