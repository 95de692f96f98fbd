"""A service over HTTP: images in, scores, regions and maps out.

It parses, waits and answers; whatever is said of an image is the work of
:class:`twofold.Detector`, and equals what it says of the same file on a disk. The extra ``serve``
(FastAPI, uvicorn, python-multipart, prometheus-client) is needed.
"""

from __future__ import annotations

from twofold.errors import MissingExtraError

__all__ = ["missing_extra"]


def missing_extra(error: ImportError) -> MissingExtraError:
    """What to say where a package of the extra is not installed."""
    return MissingExtraError(f"no service without {error.name}: pip install 'twofold[serve]'")
