"""On what a folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from twofold.watch import mounts
from twofold.watch.mounts import is_remote, kind_of_mount

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/images /mnt/line\\040b nfs4 rw 0 0
//nas/share /mnt/nas cifs rw 0 0
me@host:/ /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/usb fuseblk rw 0 0
tmpfs /mnt/nas/fast tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/a", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmpx", "ext4"),
        ("/mnt/line b/new", "nfs4"),
        ("/mnt/nas/x", "cifs"),
        ("/mnt/nas/fast/x", "tmpfs"),
    ],
)
def test_the_longest_place_says_the_kind(folder: str, kind: str) -> None:
    assert kind_of_mount(folder, MOUNTS) == kind


def test_no_line_no_kind() -> None:
    assert kind_of_mount("/a", "broken\n\n") == ""


@pytest.mark.parametrize(
    ("name", "remote"),
    [
        ("cifs", True),
        ("fuse.sshfs", True),
        ("ext4", False),
        ("fuseblk", False),
        ("nfs", True),
        ("", False),
    ],
)
def test_other_machines_may_write_into_some(
    name: str, remote: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(f"x / {name} rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mounts")
    assert is_remote(tmp_path) is remote
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "gone")
    assert not is_remote(tmp_path)
