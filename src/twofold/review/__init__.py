"""The local review page: a person marks a few images, and sees what the marks say about all.

It draws no conclusion of its own: which images are asked for and what follows from the marks is
the work of :mod:`twofold.marks`. The page needs the extra ``review`` (FastAPI and uvicorn); a
table to fill in (:mod:`twofold.review.sheet`) does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twofold.errors import MissingExtraError

if TYPE_CHECKING:
    from twofold.review.server import ReviewServer

__all__ = ["server_class"]


def server_class() -> type[ReviewServer]:
    """The server, whose packages are an extra.

    Raises:
        MissingExtraError: they are not installed.
    """
    try:
        from twofold.review.server import ReviewServer  # noqa: PLC0415 - optional dependencies
    except ImportError as error:
        raise MissingExtraError(
            f"no review page without {error.name}: pip install 'twofold[review]', or use --export"
        ) from None
    return ReviewServer
