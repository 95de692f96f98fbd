"""The one form of JSON that hashes are taken of."""

from __future__ import annotations

import hashlib

import pytest

from twofold.canonical import canonical_json, content_digest


def test_the_form_is_fixed() -> None:
    content = {"b": [1.5, None, True], "a": {"ü": "\u2028<>", "A": ""}}
    text = rb'{"a":{"A":"","\u00fc":"\u2028<>"},"b":[1.5,null,true]}'
    assert canonical_json(content) == text
    assert content_digest(content) == hashlib.sha256(text).hexdigest()
    assert content_digest(dict(reversed(content.items()))) == content_digest(content)


def test_no_number_is_made_up() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([float("nan")])
