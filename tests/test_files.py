"""Files are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.errors import UsageError
from twofold.files import write_whole


def test_a_file_and_the_folders_on_its_way(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.csv"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.csv"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.csv"
    write_whole(path, b"old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.csv"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"through")
    reader.join(timeout=10)
    assert read == [b"through"]


STOPPED_WRITER = """
import sys
from pathlib import Path
from twofold.files import write_whole

replace = Path.replace

def stop(self, target):
    print("stopped", flush=True)
    sys.stdin.readline()
    return replace(self, target)

Path.replace = stop
write_whole(Path(sys.argv[1]), b"theirs")
"""
NEXT_WRITER = """
import sys
from pathlib import Path
from twofold.files import write_whole
write_whole(Path(sys.argv[1]), b"ours")
"""


@pytest.fixture
def stopped_writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has written all but not yet put it in place."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_WRITER, str(tmp_path / "b.csv")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    with process:
        yield process
        process.kill()


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def write_in_another_process(path: Path) -> None:
    subprocess.run([sys.executable, "-c", NEXT_WRITER, str(path)], check=True)


def test_what_a_killed_writer_has_left_is_gone_after_the_next(
    tmp_path: Path, stopped_writer: subprocess.Popen[str]
) -> None:
    left = names(tmp_path)
    assert len(left) == 2
    assert all(name.startswith(".b.csv.tmp-") for name in left)
    write_in_another_process(tmp_path / "c.csv")  # its writer lives
    assert names(tmp_path) == {*left, "c.csv"}
    stopped_writer.kill()
    stopped_writer.wait()
    write_in_another_process(tmp_path / "c.csv")
    assert names(tmp_path) == {"c.csv"}


def test_a_writer_that_others_have_seen_goes_on(
    tmp_path: Path, stopped_writer: subprocess.Popen[str]
) -> None:
    write_in_another_process(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == b"ours"
    assert stopped_writer.stdin is not None
    stopped_writer.stdin.write("\n")
    stopped_writer.stdin.close()
    assert stopped_writer.wait() == 0
    assert (tmp_path / "b.csv").read_bytes() == b"theirs"
    assert names(tmp_path) == {"b.csv"}


def test_a_folder_of_many_files_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    real = os.listdir

    def listdir(path: str | Path) -> list[str]:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    for number in range(20):
        write_whole(tmp_path / f"{number}.png", b"x")
    assert seen == [tmp_path]


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^{tmp_path}: is a folder; name a file in it$"):
        write_whole(tmp_path, b"x")
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["x" * 255, "größe " * 20, "a\nb", "-x", "=1", ".hidden"])
def test_any_possible_name(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"x")
    assert names(tmp_path) == {name}


def test_an_error_is_about_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/b\.csv'$"):
        write_whole(tmp_path / "file" / "b.csv", b"x")
