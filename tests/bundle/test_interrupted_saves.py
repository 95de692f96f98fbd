"""The model format: an error or a kill at every system call of a save."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.bundle.cases import loaded_number, refused, save

from twofold.bundle import (
    read_bundle,
)
from twofold.errors import BundleError

CALLS = ("mkdir", "open", "fsync", "rename", "replace", "unlink", "rmdir", "listdir", "close")


class Killed(BaseException):
    """Stands for the end of the process: nothing can be done after it."""


@contextmanager
def failing(at: int, error: Callable[[], BaseException], stay: bool) -> Iterator[list[int]]:
    """Let the ``at``-th call to the operating system fail, and with ``stay`` all after it."""
    seen = [0]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen[0] += 1
            if seen[0] == at or (stay and seen[0] > at):
                raise error()
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield seen


def number_of_calls(tmp_path: Path) -> int:
    save(tmp_path / "count" / "m", 1)
    with failing(0, OSError, stay=False) as seen:
        save(tmp_path / "count" / "m", 2)
    shutil.rmtree(tmp_path / "count")
    assert seen[0] > 12
    return seen[0]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_at_every_call_leaves_old_or_new(tmp_path: Path, code: int) -> None:
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        save(path, 1)
        message = None
        with failing(at, lambda: OSError(code, os.strerror(code)), stay=False):
            try:
                save(path, 2)
            except BundleError as error:
                message = str(error)
        if message is None:
            assert loaded_number(path) == 2
        else:
            assert os.strerror(code) in message
            assert len(message.splitlines()) == 1
            assert loaded_number(path) in (1, 2)
        left = {p.name for p in path.parent.iterdir()} - {"m", ".m.previous"}
        assert len(left) <= 1  # the removal itself may be what failed
        save(path, 3)
        assert loaded_number(path) == 3
        assert not (path.parent / ".m.previous").exists()


@pytest.mark.parametrize("existing", [True, False])
def test_a_kill_at_every_call_leaves_old_or_new(tmp_path: Path, existing: bool) -> None:
    found = set()
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        if existing:
            save(path, 1)
        with suppress(Killed), failing(at, Killed, stay=True) as seen:
            save(path, 2)
        if existing or path.exists():
            found.add(loaded_number(path))
            assert existing or seen[0] > 5
        else:
            refused(path, "no such model folder")
        # A second kill at the same place, on top of what the first has left.
        with suppress(Killed), failing(at, Killed, stay=True):
            save(path, 2)
        if existing:
            assert loaded_number(path) in (1, 2)
        save(path, 3)
        assert loaded_number(path) == 3
    assert found == ({1, 2} if existing else {2})


def test_ctrl_c_at_every_call_leaves_old_or_new_and_no_litter(tmp_path: Path) -> None:
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        save(path, 1)
        with failing(at, KeyboardInterrupt, stay=False), pytest.raises(KeyboardInterrupt):
            save(path, 2)
        assert loaded_number(path) in (1, 2)
        assert {p.name for p in path.parent.iterdir()} <= {"m", ".m.previous"}


def test_between_the_two_renames_the_previous_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    path.rename(tmp_path / ".m.previous")
    assert loaded_number(path) == 1
    assert read_bundle(path).path == path
    save(path, 2)
    assert loaded_number(path) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", ["detector.json", "tensors.safetensors"])
def test_a_save_during_a_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "m"
    save(path, 1)
    real_open = os.open
    saves = [2]

    def save_then_open(file: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if Path(file) == path / name and saves:
            save(path, saves.pop())
        return real_open(file, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", save_then_open)
    assert loaded_number(path) == 2
    (path / "encoder.safetensors").unlink()
    refused(path, "encoder.safetensors: cannot read")


def test_a_failed_save_over_a_recovered_model_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    path.rename(tmp_path / ".m.previous")
    with pytest.MonkeyPatch.context() as patch:

        def no_rename(*args: Any) -> None:
            raise OSError(errno.EIO, "no rename")

        patch.setattr(os, "rename", no_rename)
        with pytest.raises(BundleError, match="no rename"):
            save(path, 2)
    assert loaded_number(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == [".m.previous"]


def test_a_stranger_under_the_name_of_the_previous_model_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    stranger = tmp_path / ".m.previous"
    stranger.mkdir()
    (stranger / "detector.json").write_text("x")
    (stranger / "thesis.txt").write_text("x")
    with pytest.raises(BundleError, match=r"in the way.*\.m\.previous"):
        save(path, 2)
    assert len(list(stranger.iterdir())) == 2
    assert loaded_number(path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m.previous", "m"]
