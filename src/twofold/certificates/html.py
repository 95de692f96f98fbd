"""A certificate as a page: one file without a script that needs no network."""

from __future__ import annotations

from twofold.certificates.words import TITLE, words
from twofold.marks import Certificate
from twofold.pages import data_text, policy_hash, read_own, templates, trusted

__all__ = ["document_in_html", "render_html"]

_PACKAGE = __package__ or ""
_OPENING = b'<script type="application/json" id="certificate">'
_CLOSING = b"</script>"


def render_html(certificate: Certificate) -> bytes:
    """The page, UTF-8; the document stands in it as JSON. jinja2 must be there."""
    style = read_own(_PACKAGE, "style.css")
    page = (
        templates(_PACKAGE)
        .get_template("certificate.html.j2")
        .render(
            title=TITLE,
            words=words(certificate, ".html"),
            style=trusted(style),
            data=trusted(data_text(certificate.model_dump(mode="json"))),
            style_hash=policy_hash(style),
        )
    )
    return page.encode()


def document_in_html(raw: bytes) -> bytes | None:
    """The JSON that stands in such a page; None where there is none."""
    _, opening, rest = raw.partition(_OPENING)
    document, closing, _ = rest.partition(_CLOSING)
    return document if opening and closing else None
