"""``detector.json``: strict parsing, checksum, and what it states about the other files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from twofold.bundle._files import FILE_NAME, show
from twofold.canonical import content_digest
from twofold.errors import BundleError

SCHEMA_VERSION: int = 1
TENSORS = "tensors.safetensors"
RESERVED = frozenset({"schema_version", "format", "files", "tensors", "checksum"})
_MAX_DIGITS = 400  # of one number; converting long ones takes quadratic time
_MAX_DEPTH = 64  # far below the interpreter's limit, wherever in a program a model is read
# A model of a thousand arrays with a thousand skipped images has some 10,000. What takes time in
# reading JSON is values, not bytes: twice a million empty lists fit into the bytes allowed.
_MAX_VALUES = 100_000
# The last part lets a string without an end match too, so that no byte is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_LAYOUT = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)


class Entry(NamedTuple):
    """What ``detector.json`` states about one file."""

    sha256: str
    size: int


def parse(raw: bytes) -> JsonValue:
    """Parse strict JSON: no duplicate keys, non-finite or overlong numbers. Raises ValueError.

    What has too many values or levels is refused before it is parsed.
    """
    _check_structure(raw)

    def refuse(text: str) -> JsonValue:
        raise ValueError(f"{show(text)} is not a finite number")

    def integer(text: str) -> int:
        return int(text) if len(text) <= _MAX_DIGITS else refuse(text)  # type: ignore[return-value]

    def real(text: str) -> float:
        value = float(text) if len(text) <= _MAX_DIGITS else math.inf
        return value if math.isfinite(value) else refuse(text)  # type: ignore[return-value]

    def unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key occurs twice")
        return result

    parsed: JsonValue = json.loads(
        raw.decode("utf-8"),
        parse_constant=refuse,
        parse_int=integer,
        parse_float=real,
        object_pairs_hook=unique,
    )
    return parsed


def _check_structure(raw: bytes) -> None:
    """Raise ValueError for more values or levels than any model has."""
    strings = 2 * _MAX_VALUES  # a key and a value each
    bare, found = _STRING.subn(b"", raw, strings + 1)
    if found > strings or sum(map(bare.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise ValueError(f"holds more than {_MAX_VALUES} values")
    level = 0
    for bracket in re.findall(rb"[\[{}\]]", bare):
        level += 1 if bracket in b"[{" else -1
        if level > _MAX_DEPTH:
            raise ValueError("is nested too deeply")


def render(document: Mapping[str, JsonValue]) -> bytes:
    """Return the bytes of ``detector.json``: indented, UTF-8, ending in a newline."""
    return (_LAYOUT.encode(document) + "\n").encode()


def checksum_of(document: Mapping[str, JsonValue]) -> str:
    """Return the hex sha256 of a document without its ``checksum`` field."""
    content = {key: value for key, value in document.items() if key != "checksum"}
    return content_digest(content)


def plain_header(target: Path, header: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a copy of ``header`` that is sure to come back from the disk as it is."""
    header = dict(header)
    taken = sorted(RESERVED.intersection(header))
    if taken:
        raise BundleError(f"{show(target)}: the header key {taken[0]!r} is reserved")
    try:
        copy = parse(render(header))
        same = copy == header
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{show(target)}: header is not plain JSON: {show(error)}") from error
    if not isinstance(copy, dict) or not same:
        raise BundleError(f"{show(target)}: header is not plain JSON: use text keys and lists")
    return copy


def checked_document(file: Path, raw: bytes) -> dict[str, JsonValue]:
    """Parse ``detector.json`` and check its format, schema and checksum, in this order."""
    where = show(file)
    try:
        document = parse(raw)
        if not isinstance(document, dict) or document.get("format") != "twofold":
            raise BundleError(f"{where}: does not describe a twofold model")
        version = document.get("schema_version")
        if type(version) is not int or version < 1:
            raise BundleError(f"{where}: unknown schema version {show(version)}")
        if version > SCHEMA_VERSION:
            raise BundleError(
                f"{where}: was written by a newer twofold (schema {show(version)}); upgrade"
            )
        stated, actual = document.get("checksum"), checksum_of(document)
    except (ValueError, RecursionError, MemoryError) as error:
        raise BundleError(f"{where}: is damaged, not valid JSON: {show(error)}") from error
    if stated != actual:
        raise BundleError(
            f"{where}: checksum does not match: damaged or edited; copy or save the model again"
        )
    if not {"files", "tensors"} <= document.keys():
        raise BundleError(f"{where}: lists no files or no tensors")
    return document


def checked_files(file: Path, listed: JsonValue) -> dict[str, Entry]:
    """Return the listed files; BundleError unless every name and entry is of the allowed form."""
    where = show(file)
    if not isinstance(listed, dict) or TENSORS not in listed:
        raise BundleError(f"{where}: does not list {TENSORS}")
    files: dict[str, Entry] = {}
    for name, entry in listed.items():
        # The pattern is what keeps a hostile name from leading out of the folder.
        if not FILE_NAME.fullmatch(name):
            raise BundleError(f"{where}: refuses the file name {show(name)!r}")
        digest, size = (
            (entry.get("sha256"), entry.get("bytes")) if isinstance(entry, dict) else (None, None)
        )
        if not isinstance(digest, str) or type(size) is not int or size < 0:
            raise BundleError(f"{where}: states no size and SHA-256 for {name}")
        files[name] = Entry(digest, size)
    return files


def check_layout(file: Path, raw: bytes, document: Mapping[str, JsonValue]) -> None:
    """Check that ``raw`` is what a save writes for ``document``, to the byte.

    The checksum is of the content; this also finds a change that leaves the content as it was,
    such as one white space for another. Line ends may differ, since tools convert them.
    """
    if not _is_render(document, raw.replace(b"\r\n", b"\n")):
        raise BundleError(f"{show(file)}: was edited after saving; copy or save the model again")


def _is_render(document: Mapping[str, JsonValue], raw: bytes) -> bool:
    """Compare piece by piece: indented, a document may be many times as long as ``raw``."""
    position = 0
    try:
        for piece in chain(_LAYOUT.iterencode(document), ("\n",)):
            part = piece.encode()
            if not raw.startswith(part, position):
                return False
            position += len(part)
    except UnicodeEncodeError:  # escaped halves of a character, which a save refuses
        return False
    return position == len(raw)
