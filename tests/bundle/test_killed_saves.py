"""The model format: processes that end or stop while they save, and what they leave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.bundle.cases import loaded_number, save

from twofold.bundle import (
    check_destination,
)
from twofold.errors import BundleError

STOPPED_SAVE = """
import sys, time
import numpy as np
from twofold.bundle import _files, write_bundle

def stop(folder):
    print("stopped", flush=True)
    sys.stdin.readline()

_files.fsync_folder = stop  # all files are written, nothing is renamed
write_bundle(sys.argv[1], {"n": 2}, {"t": np.full(3, 2.0)}, {"encoder": {"w": np.full(2, 2)}})
"""


def stopped_save(path: Path) -> subprocess.Popen[str]:
    """A save in another process, which goes on once it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_SAVE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    return process


@pytest.mark.parametrize("after", ["load", "save"])
def test_what_a_killed_save_has_left_is_gone_after_the_next(tmp_path: Path, after: str) -> None:
    path = tmp_path / "m"
    save(path, 1)
    with stopped_save(path) as other:
        left = {entry.name for entry in tmp_path.iterdir()} - {"m"}
        assert len(left) == 2
        assert all(name.startswith(".m.tmp-") for name in left)
        # While it lives, nobody touches its folder.
        assert loaded_number(path) == 1
        save(tmp_path / "n", 5)
        save(path, 3)
        assert {entry.name for entry in tmp_path.iterdir()} == {"m", "n", *left}
        other.kill()
        other.wait()
    if after == "save":
        save(path, 4)
    assert loaded_number(path) == (4 if after == "save" else 3)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m", "n"]


def test_a_save_that_others_have_seen_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    with stopped_save(path) as other:
        assert loaded_number(path) == 1
        assert other.stdin is not None
        other.stdin.write("\n" * 9)
        other.stdin.close()
        assert other.wait() == 0
    assert loaded_number(path) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_marks_that_are_none_of_ours_are_not_opened(tmp_path: Path) -> None:
    """Opening one as a lock could empty what a link points to, or wait for ever at a pipe."""
    path = tmp_path / "m"
    save(path, 1)
    precious = tmp_path / "precious.txt"
    precious.write_text("x")
    empty = tmp_path / "empty.txt"
    empty.touch()
    for digit, kind in enumerate(("link", "pipe", "folder", "content", "hard link")):
        folder = tmp_path / f".m.tmp-{str(digit) * 16}"
        folder.mkdir()
        mark = Path(f"{folder}.lock")
        if kind == "link":
            mark.symlink_to(precious)
        elif kind == "pipe":
            os.mkfifo(mark)
        elif kind == "folder":
            mark.mkdir()
        elif kind == "content":
            mark.write_text("x")
        else:
            mark.hardlink_to(empty)
    before = {entry.name for entry in tmp_path.iterdir()}
    save(path, 2)
    assert loaded_number(path) == 2
    assert {entry.name for entry in tmp_path.iterdir()} == before
    assert precious.read_text() == "x"


def test_a_name_too_long_is_refused_before_the_work(tmp_path: Path) -> None:
    for length in (240, 300):
        with pytest.raises(BundleError, match="cannot save the model"):
            check_destination(tmp_path / ("x" * length))
    save(check_destination(tmp_path / ("x" * 200)), 1)
    assert [len(entry.name) for entry in tmp_path.iterdir()] == [200]


def test_only_old_leftovers_of_ours_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    names = {
        "old": ".m.tmp-" + "0" * 16,
        "young": ".m.tmp-" + "1" * 16,
        "strange": ".m.tmp-" + "2" * 16,
        "link": ".m.tmp-" + "3" * 16,
        "other model": ".n.tmp-" + "4" * 16,
        "other name": ".m.tmp-backup",
    }
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "detector.json").write_text("x")
    for kind, name in names.items():
        folder = tmp_path / name
        if kind == "link":
            folder.symlink_to(tmp_path / "precious")
            os.utime(folder, (0, 0), follow_symlinks=False)
            continue
        folder.mkdir()
        (folder / ("thesis.txt" if kind == "strange" else "detector.json")).write_text("x")
        if kind != "young":
            os.utime(folder, (0, 0))
    save(path, 1)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"m", "precious", *names.values()} - {names["old"]}
    assert (tmp_path / "precious" / "detector.json").exists()


def test_read_only_and_full_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("mkdir", errno.EROFS), ("open", errno.EROFS), ("fsync", errno.ENOSPC)):
        with monkeypatch.context() as patch:

            def fail(*args: Any, _code: int = code, **kwargs: Any) -> Any:
                raise OSError(_code, os.strerror(_code), args[0])

            patch.setattr(os, name, fail)
            with pytest.raises(BundleError, match=f"m: cannot save the model: {os.strerror(code)}"):
                save(tmp_path / "m", 1)
        assert list(tmp_path.iterdir()) == []


KILLS = """
import os, random, signal, sys, time
import numpy as np
from twofold.bundle import read_bundle, write_bundle

path, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)

def save(n):
    write_bundle(path, {"n": n}, {"t": np.full(5000, float(n))}, {"encoder": {"w": np.full(9, n)}})

def check():
    bundle = read_bundle(path)
    n = bundle.header["n"]
    assert (bundle.tensors["t"] == n).all() and (bundle.extra("encoder")["w"] == n).all()
    return n

save(0)
total = 0
for _ in range(rounds):
    first = check() + 1
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        n = first
        while True:
            save(n)
            os.write(writable, b".")
            n += 1
    os.close(writable)
    os.read(readable, 1)  # at least one save is done: the child is well under way
    time.sleep(rng.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = 1
    while more := os.read(readable, 65536):
        done += len(more)
    os.close(readable)
    total += done
    last = first + done - 1
    assert check() in (last, last + 1), (check(), last)
print("rounds", rounds, "saves", total)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(("rounds", "seed"), [(20, 0), (400, 1)])
def test_kill_9_at_random_moments(tmp_path: Path, rounds: int, seed: int) -> None:
    script = textwrap.dedent(KILLS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, tmp_path / "m", str(rounds), str(seed)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0, done.stderr
    assert f"rounds {rounds} " in done.stdout


def test_reading_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, twofold.bundle; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.stdout.strip() == "False"
