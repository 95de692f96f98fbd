"""Writing a certificate in the form that a file's name asks for, and checking such files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twofold import __version__
from twofold.certificates.html import document_in_html, render_html
from twofold.errors import ImageError, UsageError
from twofold.files import write_whole
from twofold.images.reading import display_name, open_file
from twofold.marks import Certificate
from twofold.pages import require_jinja

__all__ = ["SUFFIXES", "check_suffix", "read_certificate", "render", "write_certificate"]

SUFFIXES: Final = (".json", ".html", ".pdf")
"""Of files that a certificate can be written to, in lower case."""
# A page is some 15 kB and a PDF some 25; a font for names in other scripts adds up to 100.
_MOST_BYTES: Final = 2**22
_MOST_DOCUMENT: Final = 2**17


def check_suffix(path: Path) -> None:
    """Refuse early what cannot be written.

    Raises:
        UsageError: the name ends otherwise than in one of :data:`SUFFIXES`.
        MissingExtraError: what writes such a file is not installed.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise UsageError(f"--out {display_name(str(path))}: must end in .json, .html or .pdf")
    if kind == ".html":
        require_jinja("a certificate as a page", "certificate")
    if kind == ".pdf":
        import twofold.certificates.pdf  # noqa: F401, PLC0415 - whether it can be had


def render(certificate: Certificate, kind: str) -> bytes:
    """A certificate as the content of a file.

    Args:
        certificate: any.
        kind: one of :data:`SUFFIXES`.
    """
    if kind == ".html":
        return render_html(certificate)
    if kind == ".pdf":
        from twofold.certificates.pdf import render_pdf  # noqa: PLC0415 - an optional dependency

        return render_pdf(certificate)
    return certificate.to_json()


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write a certificate in the form that the name asks for, whole or not at all.

    Raises:
        UsageError: the name ends otherwise than in one of :data:`SUFFIXES`.
        MissingExtraError: what writes such a file is not installed.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    write_whole(path, render(certificate, path.suffix.lower()))


def read_certificate(path: Path) -> Certificate:
    """A certificate from its file, checked.

    The document's checksum must be right, and a page or PDF must be what is rendered from the
    document in it, so that no figure shown differs from it.

    Args:
        path: a name that ends in ``.html`` or ``.pdf`` for these, any other for JSON.

    Raises:
        UsageError: it cannot be read, holds no certificate, or was changed since it was made.
        MissingExtraError: what renders such a file is not installed.
    """
    kind = path.suffix.lower()
    if kind not in (".html", ".pdf"):
        return Certificate.read(path)
    check_suffix(path)
    shown = display_name(str(path))
    raw = _read(path, shown)
    if kind == ".html":
        raw = raw.replace(b"\r\n", b"\n")  # as some mail programs send it
        document = document_in_html(raw)
    else:
        document = document_in_pdf(raw)
    if document is None:
        raise UsageError(f"{shown}: holds no certificate that this program has written")
    if len(document) > _MOST_DOCUMENT:
        raise UsageError(f"{shown}: is too large for a certificate")
    found = Certificate.parse(document, shown)
    if render(found, kind) != raw:
        raise UsageError(f"{shown}: {_differs(found, kind)}")
    return found


def document_in_pdf(raw: bytes) -> bytes | None:
    """The JSON attached to a PDF of ours, which is stored as it is; None where there is none."""
    _, found, rest = raw.partition(b"/Type /EmbeddedFile\n")
    _, stream, rest = rest.partition(b"stream\n")
    # In the JSON no line begins so: it is indented.
    document, end, _ = rest.partition(b"\nendstream")
    return document if found and stream and end else None


def _read(path: Path, shown: str) -> bytes:
    try:
        with open_file(str(path)) as file:
            raw = file.read(_MOST_BYTES + 1)
    except ImageError as error:
        raise UsageError(f"{shown}: {error}") from error
    if len(raw) > _MOST_BYTES:
        raise UsageError(f"{shown}: is too large for a certificate")
    return raw


def _differs(found: Certificate, kind: str) -> str:
    """Why a rendering may be another than that of the document in it, whose checksum is right."""
    if found.twofold != __version__:
        return (
            f"holds a certificate of twofold {found.twofold}, and this is {__version__}, so what "
            "it shows cannot be compared with it; verify with that version, or the .json"
        )
    if kind == ".pdf":
        return (
            "does not show what the certificate in it says: it was changed, or written with other "
            "fonts or another fpdf2; verify the certificate.json attached to it, or the .html"
        )
    return "does not show what the certificate in it says: the page was changed"
