"""One image with boxes, in its own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from twofold.figures.axes import ALERT, add_frame, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "plot_image"]


class Box(Protocol):
    """A part of an image, in pixels of the original, as :class:`twofold.detector.regions.Region`.

    Attributes:
        x: left edge.
        y: top edge.
        width: of the box.
        height: of the box.
        anomalous: drawn as one that counts.
    """

    @property
    def x(self) -> int: ...  # noqa: D102
    @property
    def y(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def anomalous(self) -> bool: ...  # noqa: D102


def plot_image(
    picture: Image.Image,
    *,
    size: tuple[int, int] | None = None,
    title: str = "",
    boxes: Sequence[Box] = (),
    flagged: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw an image with boxes.

    Args:
        picture: RGB, the image or a smaller copy.
        size: width and height of the original, whose pixels the axes count; None: of ``picture``.
        title: above it.
        boxes: of the original; those that count have a solid line, the others a dashed one.
        flagged: whether it has the thick frame of an anomalous image.
        ax: to draw on; None makes a figure.

    Raises:
        MissingExtraError: there is no ``ax``, and matplotlib is not installed.
    """
    ax = axes_or_new(ax, (4.8, 4.8))
    width, height = picture.size if size is None else size
    ax.imshow(np.asarray(picture), extent=(0, width, height, 0))
    for box in boxes:
        colour, line = (ALERT, "-") if box.anomalous else ("black", "--")
        add_frame(ax, (box.x, box.y, box.width, box.height), colour, line)
    # A name is text: "$" begins no formula in it.
    ax.set_title(title, fontsize="small", parse_math=False)
    ax.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    if flagged:
        ax.spines[:].set(color=ALERT, linewidth=3)
    return ax
