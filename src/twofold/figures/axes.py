"""What is drawn on, and the colours that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twofold.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ALERT", "CALM", "MUTED", "axes_or_new", "require_matplotlib"]

# Of Okabe & Ito's palette, which those who see colours otherwise tell apart too; and grey.
CALM, ALERT, MUTED = "#0072B2", "#D55E00", "#767676"


def require_matplotlib(extra: str = "notebook") -> None:
    """Fail before the work where pictures cannot be drawn.

    Args:
        extra: of this package, which brings it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401, PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError(
            f"no pictures without matplotlib: pip install 'twofold[{extra}]'"
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
    require_matplotlib()
    import matplotlib.pyplot as plt  # noqa: PLC0415 - an optional dependency

    return plt.subplots(figsize=size, layout="constrained")[1]
