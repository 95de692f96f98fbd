"""Plain JSON content in one form only, so that the same content has the same hash."""

from __future__ import annotations

import hashlib
import json

__all__ = ["canonical_json", "content_digest"]


def canonical_json(value: object) -> bytes:
    """Compact JSON in ASCII with sorted keys.

    Args:
        value: plain JSON content.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def content_digest(value: object) -> str:
    """SHA-256 of :func:`canonical_json`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
