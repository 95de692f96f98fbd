"""Certificates as files: JSON, the document itself, and the same as a page or a PDF."""

from twofold.certificates.files import (
    SUFFIXES,
    check_suffix,
    read_certificate,
    render,
    write_certificate,
)

__all__ = ["SUFFIXES", "check_suffix", "read_certificate", "render", "write_certificate"]
