"""Whether the system tells of changes in a folder: it does not of what another machine does."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["is_remote", "kind_of_mount"]

# Where somebody else may write without this kernel's knowledge.
_REMOTE = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|9p|afs|ceph|lustre|gpfs|beegfs\w*|glusterfs|ocfs2|gfs2|davfs"
    r"|vboxsf|vmhgfs|prl_fs|virtiofs|drvfs|fuse|fuse\..*"
)
_MOUNTS = Path("/proc/self/mounts")


def is_remote(folder: Path) -> bool:
    """Whether a folder lies on a network, or on what may be one.

    Known on Linux by the kind of file system, on Windows by a name that begins with two
    backslashes; elsewhere every folder counts as local.
    """
    resolved = folder.resolve()
    if str(resolved).startswith("\\\\"):
        return True
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return _REMOTE.fullmatch(kind_of_mount(resolved.as_posix(), mounts)) is not None


def kind_of_mount(folder: str, mounts: str) -> str:
    """The kind of file system that a folder lies on; "" where no line says so.

    Args:
        folder: absolute, without links.
        mounts: lines as in ``/proc/mounts``: device, place, kind and more, apart by spaces, which
            in the names are written ``\\\\040``.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1])
        inside = folder == place or folder.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):  # the last one of a place lies on top
            best, kind = place, fields[2]
    return kind
