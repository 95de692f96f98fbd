"""The local review page: a person marks a few images, and sees what the marks say about all.

It draws no conclusion of its own: which images are asked for and what follows from the marks is
the work of :mod:`twofold.marks`. The page needs the extra ``review`` (FastAPI and uvicorn); a
table to fill in (:mod:`twofold.review.sheet`) does not.
"""

from __future__ import annotations

from twofold.errors import MissingExtraError

__all__ = ["missing_extra"]


def missing_extra(error: ImportError) -> MissingExtraError:
    """What to say where a package of the extra is not installed."""
    return MissingExtraError(
        f"no review page without {error.name}: pip install 'twofold[review]', or use --export"
    )
