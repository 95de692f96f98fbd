"""Addresses: which are read, what is shown of them, and what is tried again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from twofold import remote
from twofold.errors import RemoteError
from twofold.remote import as_local, fetch, is_remote, joined, list_files, printable


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://b/a.png", True),
        ("S3://b", True),
        ("https://h/a.png?sig=1", True),
        ("gs://b/*", True),
        ("file:///tmp/a.png", False),
        ("/tmp/s3://b", False),
        ("C://photos", False),
        ("photos/a.png", False),
        ("simplecache::s3://b", False),  # chains of fsspec would reach anything; to us it is a path
        ("", False),
    ],
)
def test_a_path_of_this_machine_is_no_address(path: str, expected: bool) -> None:
    assert is_remote(path) is expected


@pytest.mark.parametrize("path", ["ftp://h/a", "data://x", "ssh+git://h"])
def test_other_kinds_are_refused(path: str) -> None:
    with pytest.raises(RemoteError, match="choose from"):
        is_remote(path)


def test_an_address_of_this_machine_is_a_path() -> None:
    assert as_local("file:///tmp/a%20b.png") == "/tmp/a b.png"
    assert as_local("file://localhost/tmp/a") == "/tmp/a"
    assert as_local("a.png") == "a.png"
    with pytest.raises(RemoteError, match="another machine"):
        as_local("file://server/share/a.png")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:secret@h:1/a/b.png?X-Amz-Signature=abc#f", "https://h:1/a/b.png"),
        ("s3://b/a?.png", "s3://b/a?.png"),
        ("https://h", "https://h"),
        ("a?b.png", "a?b.png"),
    ],
)
def test_secrets_are_not_shown(url: str, expected: str) -> None:
    assert printable(url) == expected


def test_a_table_from_elsewhere_names_nothing_here() -> None:
    assert joined("s3://b/lot", "x/a.png") == "s3://b/lot/x/a.png"
    assert joined("s3://b/lot", "s3://c/a.png") == "s3://c/a.png"
    for value in ("/etc/passwd", "file:///etc/passwd", "../a.png", "x/../../a.png", "x\\..\\a"):
        with pytest.raises(RemoteError):
            joined("s3://b/lot", value)


class Store:
    """A file system that fails as often as it is told."""

    protocol = ("made",)

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer[start:end])


def use(monkeypatch: pytest.MonkeyPatch, store: Any) -> list[float]:
    """Read everything from a made-up store; the waits between attempts."""
    waits: list[float] = []
    monkeypatch.setattr(remote, "_system", lambda url: (store, "b/a.png"))
    monkeypatch.setattr("twofold.remote.time.sleep", waits.append)
    return waits


def test_what_passes_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = type("Busy", (Exception,), {"status": 503})
    waits = use(monkeypatch, Store(ConnectionResetError("reset"), busy("slow down"), b"content"))
    assert fetch("s3://b/a.png", 100) == b"content"
    assert waits == [0.5, 2.0]
    waits = use(monkeypatch, Store(*[TimeoutError("too late")] * 3))
    with pytest.raises(RemoteError, match="cannot be read: too late"):
        fetch("s3://b/a.png", 100)
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("b/a.png"), "^no such file$"),
        (PermissionError("Access Denied"), "not allowed: Access Denied"),
        (ValueError("no bucket in https://h/a?X-Amz-Signature=abc"), r"https://h/a\?\.\.\.$"),
        (type("Wrong", (Exception,), {"status": 400})("bad\nrequest"), r"bad\\nrequest"),
    ],
)
def test_what_does_not_pass_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    waits = use(monkeypatch, Store(error, b"never"))
    with pytest.raises(RemoteError, match=reason):
        fetch("s3://b/a.png", 100)
    assert waits == []


def test_a_file_has_some_bytes_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Store(b"", b"x" * 11, b"x" * 10))
    with pytest.raises(RemoteError, match="empty file"):
        fetch("s3://b/a.png", 10)
    with pytest.raises(RemoteError, match="more bytes than the limit of 10"):
        fetch("s3://b/a.png", 10)
    assert len(fetch("s3://b/a.png", 10)) == 10


def test_folders_are_in_order_and_without_their_placeholders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = SimpleNamespace(
        isfile=lambda path: False,
        find=lambda path: ["b/x/", "b/z.png", "b/x/a.png"],
        unstrip_protocol=lambda name: f"s3://{name}",
    )
    use(monkeypatch, store)
    assert list_files("s3://b") == ["s3://b/x/a.png", "s3://b/z.png"]
    store.isfile = lambda path: True
    assert list_files("s3://b/a.png") is None
