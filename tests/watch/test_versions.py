"""Which files of a folder are images that someone has finished."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.watch.cases import write

from twofold.watch.versions import Ignored, Version, find_version, is_wanted, scan


@pytest.mark.parametrize(
    "path", ["a.png", "A.JPG", "sub/b.tiff", "x.png/c.bmp", "sub/ok/a.png", "okay/a.png", "[1].png"]
)
def test_images_are_wanted(path: str) -> None:
    assert is_wanted(path)


@pytest.mark.parametrize(
    "path",
    [
        *("a.txt", "results.csv", "a.png.part", "a.png~", "a.part.png", "a.TMP.jpg", "~a.png"),
        *("a~.png", ".a.png", ".hidden/a.png", "sub/.hidden/a.png", "png"),
        *("ok/a.png", "ng/sub/a.png", "bad/a.png"),
    ],
)
def test_what_is_unfinished_hidden_or_judged_is_not(path: str) -> None:
    assert not is_wanted(path)


def test_a_scan_finds_regular_files_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    kept = [write(folder, name) for name in ("a.png", "sub/deep/b.png", "x.png/c.png")]
    odd = os.fsencode(folder) + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes(b"no image")
    write(folder, ".hidden/a.png")
    write(folder, "ok/a.png")
    write(tmp_path, "outside/a.png")
    (folder / "link.png").symlink_to(kept[0])
    (folder / "dangling.png").symlink_to(folder / "gone")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
        found = list(scan(str(folder)))
    files = {one.path: one for one in found if isinstance(one, Version)}
    assert set(files) == {"a.png", "sub/deep/b.png", "x.png/c.png", os.fsdecode(b"\xff.png")}
    status = kept[1].stat()
    assert files["sub/deep/b.png"].size == status.st_size
    assert files["sub/deep/b.png"].mtime_ns == status.st_mtime_ns
    reasons = {one.path: one.reason for one in found if isinstance(one, Ignored)}
    links = ("link.png", "dangling.png", "itself.png", "elsewhere")
    assert reasons == {
        **dict.fromkeys(links, "a link, which is not followed"),
        **dict.fromkeys(("pipe.png", "socket.png"), "not a regular file"),
    }


def test_a_folder_that_cannot_be_read_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.png")
    write(tmp_path, "shut/b.png")
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(scan(str(tmp_path)))
    assert Ignored("shut", "cannot be read: Permission denied") in found
    assert [one.path for one in found if isinstance(one, Version)] == ["a.png"]
    (gone,) = scan(str(tmp_path / "gone"))
    assert gone == Ignored("", "cannot be read: No such file or directory")


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "outside/deep/a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "outside")
    for folder in (str(tmp_path / "in"), f"{tmp_path / 'in'}/"):
        found = find_version(folder, "sub/deep/a.png")
        assert found == Ignored("sub/deep/a.png", "in a linked folder, which is not followed")
    (tmp_path / "link").symlink_to(tmp_path / "outside")  # the watched folder itself may be one
    assert isinstance(find_version(str(tmp_path / "link"), "deep/a.png"), Version)


def test_nothing_is_found_where_nothing_or_a_folder_is(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    assert find_version(str(tmp_path), "a.png") is None
    assert find_version(str(tmp_path), "gone.png") is None
    write(tmp_path, "b.png")
    assert find_version(str(tmp_path), "b.png/c.png") is None
