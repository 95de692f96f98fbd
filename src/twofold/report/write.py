"""From a detector and images to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.figures import gauges
from twofold.files import refuse_folder, write_whole
from twofold.images import ImageInput
from twofold.report import content
from twofold.report.facts import facts
from twofold.report.labels import labels_of, measure
from twofold.report.ladder import Step, near
from twofold.report.looking import Look, look
from twofold.report.page import data_text, render, require_jinja
from twofold.report.plots import curves, flaw_bars
from twofold.report.words import Answer, answer
from twofold.words import percent

__all__ = ["ReportFile", "write_report"]

Labels = str | Path | Sequence[int] | NDArray[np.integer]

_MOST_PROBLEMS = 1000


@dataclass(frozen=True)
class ReportFile:
    """A report that was written.

    Attributes:
        path: of the page.
        n_images: as given.
        n_flagged: of them.
        n_unusable: of them, for the reasons that the page gives.
        n_bytes: of the page.
    """

    path: Path
    n_images: int
    n_flagged: int
    n_unusable: int
    n_bytes: int


def write_report(
    detector: Detector,
    images: ImageInput,
    out: str | Path,
    *,
    labels: Labels | None = None,
    model: str | Path | None = None,
) -> ReportFile:
    """Judge images and write a page about them: one file that needs no network.

    Args:
        detector: fitted or loaded.
        images: in any form of :func:`twofold.images.find_images`.
        out: HTML file to write, whole or not at all.
        labels: what is known of the images: a table with the columns ``image`` and ``label`` (0 or
            ``normal``, 1 or ``anomalous``), or one number for each image, 1 anomalous, 0 normal, -1
            unknown. They are measured against and have no influence on anything.
        model: folder that the detector was loaded from, named in the page with its hash.

    Raises:
        MissingExtraError: jinja2 is not installed.
        NotFittedError: before ``fit``.
        ImageSourceError: there are no images, or the labels cannot be read.
        UsageError: a label is none, or is of none of the images.
        OSError: the file cannot be written.
    """
    require_jinja()
    path = Path(out)
    refuse_folder(path)
    seen = look(detector, images)
    known = None if labels is None else labels_of(labels, seen.scores.names)
    page = render(**_parts(detector, seen, path, known, None if model is None else str(model)))
    raw = page.encode()
    write_whole(path, raw)
    n_flagged = int((seen.scores.anomalous == 1).sum())
    usable = int(seen.scores.usable.sum())
    names = seen.scores.names
    return ReportFile(path, len(names), n_flagged, len(names) - usable, len(raw))


def _parts(
    detector: Detector,
    seen: Look,
    path: Path,
    labels: NDArray[np.int64] | None,
    model: str | None,
) -> dict[str, Any]:
    """All that the template is given."""
    result, threshold, evidence = seen.scores, detector.threshold_, detector.evidence_
    step = Step.of(detector.calibration_, threshold, int(result.usable.sum()))
    data = _data(detector, seen, path.resolve().parent, labels)
    measured = None if labels is None else measure(result.scores, labels, threshold.value)
    return {
        "answer": _answer(detector, seen, step, labelled=measured is not None),
        "data": data,
        "data_places": data["places"],
        "gauges": gauges(evidence),
        "flaws": evidence.visible_flaws,
        "bars": flaw_bars(evidence.visible_flaws),
        "notes": (*result.notes, *evidence.notes),
        "problems": result.problems[:_MOST_PROBLEMS],
        "n_problems": len(result.problems),
        "labelled": labels is not None,
        "measured": measured,
        "curves": () if measured is None else curves(measured),
        "facts": facts(detector, seen, model),
        "percent": percent,
        "references": detector.references_ is not None,
        "has_maps": bool(seen.grids),
    }


def _data(
    detector: Detector,
    seen: Look,
    folder: Path,
    labels: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """What the scripts of the page read; pictures take what room the rest leaves."""
    limits = content.thresholds(detector, int(seen.scores.usable.sum()))
    data: dict[str, Any] = {
        "threshold": limits,
        "places": content.places(seen, detector.references_),
        "labels": None if labels is None else labels.tolist(),
        **content.normals(seen, detector.references_),
    }
    spent = len(data_text(data))
    return data | content.gallery(seen, folder, limits["value"] - limits["near"], spent)


def _answer(detector: Detector, seen: Look, step: Step, *, labelled: bool) -> Answer:
    scores = seen.scores.scores
    apart = np.abs(scores - step.value)
    return answer(
        n_images=len(scores),
        n_usable=int(seen.scores.usable.sum()),
        n_flagged=int((seen.scores.anomalous == 1).sum()),
        n_near=int((apart <= near(detector.calibration_, step.value)).sum()),
        step=step,
        origin=detector.threshold_.origin,
        evidence=detector.evidence_,
        labelled=labelled,
    )
