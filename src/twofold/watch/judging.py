"""Files into results: a batch goes through the detector, and each file is looked at before and
after, so that a result belongs to what its row says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.detector.scores import ROW_FIELDS
from twofold.errors import ConfigError, ImageError, ImageSourceError
from twofold.images import ImageSet
from twofold.images.reading import display_name
from twofold.spreadsheet import printable
from twofold.watch.journal import Result
from twofold.watch.versions import Version, find_version

__all__ = ["Judgement", "judge"]

Array = NDArray[np.float64]
_Seen = tuple[dict[str, Any], Array]


@dataclass(frozen=True)
class Judgement:
    """What became of a batch.

    Attributes:
        results: of the files that were the same before and after.
        gone: files that were taken away before anybody could read them.
        changed: files that are written again, or that cannot be asked for now.
        notes: on the images, one line each.
    """

    results: list[Result]
    gone: list[Version]
    changed: list[Version]
    notes: tuple[str, ...]


def judge(detector: Detector, folder: Path, versions: Sequence[Version]) -> Judgement:
    """Score some files.

    Args:
        detector: fitted, not strict.
        folder: that is watched, as it is to be named in the results.
        versions: at least one, each as it was seen last.

    Raises:
        TwofoldError: not because of one image: the encoder cannot be had, for example.
    """
    seen, notes = _follow(detector, [str(folder / version.path) for version in versions])
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    found = Judgement([], [], [], notes)
    for version, (row, numbers) in zip(versions, seen, strict=True):
        try:
            now = find_version(str(folder), version.path)
        except OSError:
            found.changed.append(version)
            continue
        if now is None and row["problem"] is not None:
            found.gone.append(version)
        elif now is not None and now != version:
            found.changed.append(version)
        else:
            more = {"time": time, "size": version.size, "mtime_ns": version.mtime_ns}
            found.results.append(Result(version, row | more, numbers, _verdict(row)))
    return found


def _verdict(row: dict[str, Any]) -> str:
    if row["problem"] is not None:
        return "bad"
    return "ng" if row["anomalous"] else "ok"


def _follow(detector: Detector, paths: list[str]) -> tuple[list[_Seen], tuple[str, ...]]:
    """Each image's row and numbers; one that stops the others, as by its size, goes alone."""
    try:
        scores, numbers = detector.follow(ImageSet.from_paths(paths))
    except (ConfigError, ImageError, ImageSourceError) as error:
        if len(paths) > 1:
            alone = [_follow(detector, [path]) for path in paths]
            notes = dict.fromkeys(note for _, each in alone for note in each)
            return [one for seen, _ in alone for one in seen], tuple(notes)
        row = dict.fromkeys(ROW_FIELDS) | {
            "image": display_name(paths[0]),
            "problem": printable(str(error)),
        }
        return [(row, np.empty(0))], ()
    return list(zip(scores.rows(), numbers, strict=True)), scores.notes
