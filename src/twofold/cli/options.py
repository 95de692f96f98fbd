"""The options that commands share, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twofold.detector import Detector, DetectorProgress

__all__ = [
    "LAST_STATE",
    "BitDepth",
    "EmbedWeights",
    "FalseAlarmRate",
    "Json",
    "Mask",
    "NoReferences",
    "Strict",
    "Weights",
    "as_input",
    "load_detector",
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on the first unusable image.")]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        min=9,
        max=16,
        help="Bits of images that have more than 8.",
        show_default="found from the images",
    ),
]
Mask = Annotated[
    str | None,
    typer.Option(
        "--mask",
        help="Picture of what to look at, black where nothing counts; or a folder of such, "
        "called like the images.",
    ),
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="Local file with the encoder's weights.")
]
FalseAlarmRate = Annotated[
    float | None,
    typer.Option(
        help="Decide at this share of false alarms.", show_default="the rate of the model"
    ),
]
EmbedWeights = Annotated[
    bool, typer.Option("--embed-weights", help="Put the encoder's weights into the model.")
]
NoReferences = Annotated[
    bool,
    typer.Option("--no-references", help="Keep no small pictures of presumed normals for reports."),
]
# What every generator behind a method takes as a seed.
LAST_STATE = 2**32 - 1


def as_input(images: Sequence[str]) -> str | list[str]:
    """What stands on a command line, as :func:`twofold.images.find_images` takes it."""
    return images[0] if len(images) == 1 else list(images)


def load_detector(
    model: str,
    weights: str | None,
    strict: bool,
    progress: DetectorProgress,
    mask: str | None = None,
) -> Detector:
    """A model that goes on with the options of a command."""
    from twofold.detector import Detector  # noqa: PLC0415 - imports torch

    detector = Detector.load(model, weights=weights)
    detector.strict, detector.progress = strict, progress
    return detector if mask is None else detector.set_mask(mask)
