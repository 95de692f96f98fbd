"""What is drawn on, and the colours that all figures share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import MissingExtraError, UsageError
from twofold.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ALERT",
    "CALM",
    "MUTED",
    "add_frame",
    "axes_or_new",
    "file_axes",
    "new_axes",
    "picture_kind",
    "require_matplotlib",
]

# Of Okabe & Ito's palette, which those who see colours otherwise tell apart too; and grey.
CALM, ALERT, MUTED = "#0072B2", "#D55E00", "#767676"
_PICTURES = ("png", "svg", "pdf")


def require_matplotlib() -> None:
    """Fail before the work where pictures cannot be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401, PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError(
            "no pictures without matplotlib: pip install 'twofold[notebook]'"
        ) from None


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (6.4, 3.6)) -> Axes:
    """The axes given, or those of a new figure of pyplot, which a notebook shows by itself.

    Args:
        ax: to draw on.
        size: of a new figure, in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if ax is not None:
        return ax
    return new_axes(1, 1, size)[1][0]


def picture_kind(name: str) -> str:
    """How the name of a picture file ends: png, svg or pdf.

    Raises:
        UsageError: otherwise.
    """
    kind = Path(name).suffix.lower().removeprefix(".")
    if kind not in _PICTURES:
        raise UsageError(f"{name}: a picture's name ends in .png, .svg or .pdf")
    return kind


@contextmanager
def file_axes(path: Path, size: tuple[float, float] = (8.0, 4.0)) -> Iterator[Axes]:
    """Axes to draw on; the figure is written to a file at the end, whole or not at all.

    Args:
        path: ends in .png, .svg or .pdf.
        size: of the figure, in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: the name ends otherwise.
    """
    kind = picture_kind(str(path))
    require_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415 - without the global state of pyplot

    figure = Figure(figsize=size, layout="constrained")
    yield figure.add_subplot()
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=150)
    write_whole(path, content.getvalue())


def new_axes(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of pyplot, and its axes row by row.

    Args:
        rows: of axes.
        columns: of axes.
        size: of the figure, in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib.pyplot as plt  # noqa: PLC0415 - an optional dependency

    figure, panels = plt.subplots(rows, columns, squeeze=False, figsize=size, layout="constrained")
    return figure, list(panels.flat)


def add_frame(ax: Axes, bounds: tuple[float, float, float, float], colour: str, line: str) -> None:
    """Draw an empty rectangle that can be seen on dark and on light images.

    Args:
        ax: to draw on.
        bounds: left, top, width, height.
        colour: of the line.
        line: style of it, as matplotlib calls them.
    """
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - an optional dependency
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    left, top, width, height = bounds
    frame = Rectangle((left, top), width, height, fill=False)
    frame.set(edgecolor=colour, linestyle=line, linewidth=1.2)
    frame.set_path_effects([withStroke(linewidth=3, foreground="white")])
    ax.add_patch(frame)
