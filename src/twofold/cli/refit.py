"""``refit``: a detector that has learned from marks, or that follows its target."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_model
from twofold.cli.fit import tell_fit
from twofold.cli.options import (
    EmbedWeights,
    Json,
    NoReferences,
    Strict,
    Weights,
    load_detector,
)
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.cli.rates import rate_text
from twofold.errors import UsageError
from twofold.remote import as_local

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twofold.detector import Changes, Detector
    from twofold.marks import MarksFile, Standing

__all__ = ["refit"]

# Names that are printed of the images that changed sides; --json has all of them.
_MOST_NAMES = 10


@command
def refit(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    out: Annotated[str, typer.Option(help="Model folder to write; MODEL stays as it is.")],
    marks: Annotated[
        Path | None,
        typer.Option(help="Marks of `twofold review`, or any CSV with image and mark."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Normal images.", show_default="those of the fit, where they lay"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="With marks: unlabelled images beside the reviewed ones. Without: the target as "
            "it is now, in place of the old one.",
            show_default="those of the fit, where they lay",
        ),
    ] = None,
    embed_weights: EmbedWeights = False,
    no_references: NoReferences = False,
    weights: Weights = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Fit a detector again, with what marks say or to a target that has changed."""
    check_model("--out", out)
    if _same(out, model):
        raise UsageError(f"--out {out}: the old model stays, so give another folder")
    if marks is None and target is None:
        raise UsageError("give --marks FILE to learn from marks, or --target DIR for a new target")
    reviewed = None if marks is None else _Reviewed.read(marks)
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            if reviewed is None:
                assert target is not None
                other = detector.refit_to(target, source=source)
            else:
                other = detector.refit(
                    reviewed.paths,
                    reviewed.marks,
                    source=source,
                    target=target,
                    strata=reviewed.strata,
                )
        other.save(out, embed_weights=embed_weights, references=not no_references)
    for note in dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning):
        say(f"note: {note}")
    if reviewed is None:
        tell_fit(other, out, as_json=as_json)
    else:
        _tell(detector, other, model, out, as_json=as_json)


def _same(out: str, model: str) -> bool:
    """Whether two folders or addresses are one."""
    one, other = (as_local(path).rstrip("/") for path in (out, model))
    return one == other or Path(one).resolve() == Path(other).resolve()


@dataclass(frozen=True)
class _Reviewed:
    """What a file of marks says of images on disk.

    Attributes:
        paths: of all images that were reviewed.
        marks: float64 (n,), of these.
        strata: int64 (n,), of the design; None without one.
    """

    paths: list[str]
    marks: NDArray[np.float64]
    strata: NDArray[np.int64] | None

    @classmethod
    def read(cls, marks: Path) -> _Reviewed:
        """Find the images, and refuse those that have changed since.

        Raises:
            UsageError: naming the first image that is gone or another one now.
        """
        from twofold.marks import MarksFile  # noqa: PLC0415 - imports scipy

        file = MarksFile(marks)
        standing = file.standing()
        names = _names(file, standing)
        paths = [_found(name, marks) for name in names]
        _check_unchanged(file, standing, dict(zip(names, paths, strict=True)))
        for one in standing.disagreements:
            say(f"note: {one.image}: reviewers disagree, so it counts as not marked")
        strata = None if file.document is None else file.document.design.strata
        return cls(paths, standing.array(names), strata)


def _names(file: MarksFile, standing: Standing) -> list[str]:
    """Of all images that were reviewed: those of the design, or those in the table."""
    if file.document is not None:
        return [image.path for image in file.document.images]
    return list(standing.marks)


def _found(name: str, marks: Path) -> str:
    """Where an image lies: as it is called, or beside the marks.

    Raises:
        UsageError: at neither place.
    """
    for path in (Path(name), marks.parent / name):
        if path.is_file():
            return str(path)
    raise UsageError(
        f"{marks}: {name} is not there: run this in the folder where the images were reviewed"
    )


def _check_unchanged(file: MarksFile, standing: Standing, paths: dict[str, str]) -> None:
    """Refuse marks of files that are others now.

    Raises:
        UsageError: naming the first.
    """
    if file.document is None:
        return
    for image in file.document.images:
        if image.path not in standing.marks:
            continue
        content = Path(paths[image.path]).read_bytes()
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise UsageError(f"{image.path}: has changed since it was marked: mark it again")


def _tell(before: Detector, after: Detector, model: str, out: str, *, as_json: bool) -> None:
    found = after.changes_
    thresholds = before.threshold_.value, after.threshold_.value
    if as_json:
        print_json(
            {
                "model": out,
                "before": model,
                "threshold_before": thresholds[0],
                "threshold_after": thresholds[1],
                "corrected": after.correction_ is not None,
                **asdict(found),
            }
        )
        return
    n_marks = found.n_normal + found.n_anomalous
    typer.echo(
        f"{out}: fitted again with {n_marks} marks, {found.n_normal} normal and "
        f"{found.n_anomalous} anomalous, of {found.n_images} images"
    )
    if after.correction_ is None:
        typer.echo("marks of both kinds are needed to correct scores: only the pool has changed")
    for line in _lines(found):
        typer.echo(line)
    scales = "" if after.correction_ is None else " (of corrected scores: log odds)"
    typer.echo(f"threshold {thresholds[0]:.6g} before, {thresholds[1]:.6g} now{scales}")
    for label, names in (
        ("flagged now", found.newly_flagged),
        ("no longer flagged", found.no_longer_flagged),
    ):
        if names:
            more = len(names) - _MOST_NAMES
            rest = f" and {more} more" if more > 0 else ""
            typer.echo(f"{label}: {', '.join(names[:_MOST_NAMES])}{rest}")


def _lines(found: Changes) -> list[str]:
    """Before and after, each marked image judged by a fit that has not seen its mark."""
    from twofold.marks import RATE_WORDS  # noqa: PLC0415 - imports scipy

    lines = []
    if found.auroc_before is not None and found.auroc_after is not None:
        lines.append(
            f"AUROC on the marked images: {100 * found.auroc_before:.1f}% before, "
            f"{100 * found.auroc_after:.1f}% now"
        )
    for label, of, was, now in (
        ("marked anomalous", found.n_anomalous, found.detected_before, found.detected_after),
        ("marked normal", found.n_normal, found.alarms_before, found.alarms_after),
        ("all images", found.n_images, found.flagged_before, found.flagged_after),
    ):
        lines.append(f"flagged, {label}: {was} of {of} before, {now} now")
    if found.rates_before is not None and found.rates_after is not None:
        for name in ("detection_rate", "false_alarm_rate", "precision"):
            before, after = getattr(found.rates_before, name), getattr(found.rates_after, name)
            lines.append(
                f"{RATE_WORDS[name][0]}, all images: {rate_text(before)} before, "
                f"{rate_text(after)} now"
            )
    return lines
