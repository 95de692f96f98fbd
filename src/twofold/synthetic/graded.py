"""Flaws of graded sizes on one image: how small may a flaw be, and still be seen?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twofold.synthetic._checks import Pixels, check_image
from twofold.synthetic.defects import DEFECTS, Defective, add_defect

__all__ = ["GRADES", "LEAST_SIDE", "flaw_pixels", "graded_flaws"]

Mask = NDArray[np.bool_]

GRADES = (0.00005, 0.00015, 0.0005, 0.0015, 0.005, 0.015, 0.05)
"""Shares of an image's area: three decades in half decades, so that no size has the whole say.

On an image of 640 x 640 pixels 4.5 to 143 pixels across, on one of 5,472 x 3,648 32 to 999.
"""
LEAST_SIDE = 16
"""Of an image in pixels, for :func:`twofold.synthetic.add_defect`."""

# A flaw is painted in a window of four times its extent: time goes with the flaw's size, not with
# the image's.
_ROOM = 4
# Pixels of the largest window's side: a larger flaw tells nothing more, and takes seconds to paint.
_MOST_SIDE = 2048
# A flaw that is hidden in part is a smaller one.
_NEARLY_ALL = 0.9
_ATTEMPTS = 10


def flaw_pixels(height: int, width: int, share: float) -> int:
    """Pixels of a flaw on an image, at least one, at most what a window has room for."""
    most = (_MOST_SIDE // _ROOM) ** 2
    return min(max(1, round(share * height * width)), most)


def graded_flaws(
    image: Pixels,
    first: int,
    rng: np.random.Generator,
    donor: Pixels | None = None,
    looked_at: Mask | None = None,
) -> Iterator[Defective]:
    """The image with one flaw of each size of :data:`GRADES`, all kinds in turn.

    The kinds are those of :data:`twofold.synthetic.DEFECTS`, and patches cut from ``donor``.

    Args:
        image: uint8 (h, w, 3), sides of 16 px or more; left alone.
        first: number of the kind to begin with.
        rng: of every draw.
        donor: another image to cut patches from; without one they come from the image itself.
        looked_at: bool (h, w), where flaws are painted; None for anywhere. One that reaches beyond
            is painted anew, and after some attempts the one that does so least is taken.

    Raises:
        UsageError: an image or donor of another type or shape.
    """
    check_image(image)
    kinds = (*DEFECTS, "donor")
    for step, share in enumerate(GRADES):
        kind = kinds[(first + step) % len(kinds)]
        n = flaw_pixels(image.shape[0], image.shape[1], share)
        if looked_at is None:
            yield _flawed(image, kind, n, rng, donor)
        else:
            yield _best(image, kind, n, rng, donor, looked_at)


def _best(
    image: Pixels,
    kind: str,
    n: int,
    rng: np.random.Generator,
    donor: Pixels | None,
    looked_at: Mask,
) -> Defective:
    """The first flaw nearly all of which is looked at, or the one of which the most is."""
    best, most = None, -1.0
    for _ in range(_ATTEMPTS):
        found = _flawed(image, kind, n, rng, donor, looked_at)
        share = float(looked_at[found.mask].mean())
        if share > most:
            best, most = found, share
        if most >= _NEARLY_ALL:
            break
    assert best is not None
    return best


def _flawed(
    image: Pixels,
    kind: str,
    n: int,
    rng: np.random.Generator,
    donor: Pixels | None,
    looked_at: Mask | None = None,
) -> Defective:
    """One flaw of ``n`` pixels, painted in a window at a random place."""
    side = max(LEAST_SIDE, _ROOM * math.ceil(math.sqrt(n)))
    if kind == "scratch":
        # A thin line is as long as it has pixels.
        side = max(side, min(n, _MOST_SIDE))
    height, width = (min(side, length) for length in image.shape[:2])
    top, left = _corner(image, height, width, rng, looked_at)
    window = image[top : top + height, left : left + width]
    # A window of an image of few pixels may be all flaw.
    share = min(n / (height * width), 0.5)
    cut = None
    if kind == "donor":
        kind = "cut_paste"
        if donor is not None and min(donor.shape[0] - height, donor.shape[1] - width) >= 0:
            down, right = _corner(donor, height, width, rng)
            cut = donor[down : down + height, right : right + width]
    found = add_defect(window, kind, rng, area=(share, share), donor=cut)
    changed, mask = image.copy(), np.zeros(image.shape[:2], dtype=np.bool_)
    changed[top : top + height, left : left + width] = found.image
    mask[top : top + height, left : left + width] = found.mask
    return Defective(changed, mask, kind)


def _corner(
    image: Pixels,
    height: int,
    width: int,
    rng: np.random.Generator,
    looked_at: Mask | None = None,
) -> tuple[int, int]:
    """Top and left of a random window, with a pixel that is looked at in its middle, if it can."""
    if looked_at is not None:
        pixels = np.flatnonzero(looked_at)
        row, column = divmod(int(pixels[rng.integers(len(pixels))]), looked_at.shape[1])
        return (
            min(max(row - height // 2, 0), image.shape[0] - height),
            min(max(column - width // 2, 0), image.shape[1] - width),
        )
    return (
        int(rng.integers(image.shape[0] - height + 1)),
        int(rng.integers(image.shape[1] - width + 1)),
    )
