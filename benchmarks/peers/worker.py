"""One system on one set of images, in a process of its own: python -m peers.worker TASK RESULT.

TASK is a JSON file with the id of a system, a run and the paths of its images, without labels.
RESULT gets the seconds of each step and the scores of the test images.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from peers.cells import Images
from peers.systems import SYSTEMS, Fit


def measured(system_id: str, run: int, images: Images) -> dict[str, Any]:
    """Import, fit and score, each timed.

    Returns:
        ``import_seconds``, ``fit_seconds`` (files on disk to a fitted model; it includes loading
        the network), ``score_seconds`` (files on disk to scores) and ``scores``.

    Raises:
        ValueError: the scores are not one finite number for each test image.
    """
    system = SYSTEMS[system_id]
    times = [time.perf_counter()]
    fit: Fit = import_module(system.module).fit
    times.append(time.perf_counter())
    score = fit(system.model, system.fitted_on, images, run)
    times.append(time.perf_counter())
    scores = np.asarray(score(images.test), dtype=np.float64)
    times.append(time.perf_counter())
    if scores.shape != (len(images.test),) or not np.isfinite(scores).all():
        raise ValueError(f"the scores are no {len(images.test)} finite numbers: {scores.shape}")
    names = ("import_seconds", "fit_seconds", "score_seconds")
    seconds = (round(float(step), 3) for step in np.diff(times))
    return dict(zip(names, seconds, strict=True)) | {"scores": scores.tolist()}


def main() -> None:
    """Read the task, write the result."""
    task, result = map(Path, sys.argv[1:])
    document = json.loads(task.read_text(encoding="utf-8"))
    found = measured(document["system"], document["run"], Images.read(document["images"]))
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
