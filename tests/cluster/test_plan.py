"""Folders of results: what they are taken for, and what of them is done."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from twofold.cluster.plan import (
    LOG,
    MANIFEST,
    Part,
    Plan,
    done_parts,
    finish,
    open_folder,
    open_log,
)
from twofold.cluster.sources import Paths, Shard
from twofold.errors import TwofoldError, UsageError


def plan(n: int = 7, rows: int = 3, **work: Any) -> Plan:
    paths = Paths(tuple(f"{i}.png" for i in range(n)))
    return Plan("scores", {"model": "m", **work}, {"score": "double"}, [paths], rows)


def record(out: Path, shard: int, rows: int = 3) -> Part:
    """A part that is there and in the log."""
    content = f"part {shard}".encode()
    (out / Shard.file_name(shard)).write_bytes(content)
    part = Part(shard, rows, 1, 2, len(content), "0" * 64, 0.5)
    with (out / LOG).open("ab") as log:
        log.write(part.line())
    return part


def test_a_new_folder_gets_a_manifest(tmp_path: Path) -> None:
    with open_folder(tmp_path / "a" / "out", plan()) as parts:
        assert parts == {}
    content = json.loads((tmp_path / "a" / "out" / MANIFEST).read_text())
    assert content["n_shards"] == 3
    assert content["images"]["n"] == 7
    assert content["work"] == {"model": "m"}
    assert "complete" not in content


def test_what_is_recorded_and_there_is_done(tmp_path: Path) -> None:
    with open_folder(tmp_path, plan()):
        parts = [record(tmp_path, shard) for shard in (2, 0)]
    with open_folder(tmp_path, plan()) as found:
        assert found == {part.shard: part for part in parts}


def test_a_part_that_was_cut_short_or_is_gone_is_done_again(tmp_path: Path) -> None:
    with open_folder(tmp_path, plan()):
        for shard in range(3):
            record(tmp_path, shard)
    (tmp_path / Shard.file_name(0)).unlink()
    (tmp_path / Shard.file_name(1)).write_bytes(b"")
    assert done_parts(tmp_path, plan()).keys() == {2}


def test_the_last_line_of_the_log_may_be_cut_short(tmp_path: Path) -> None:
    with open_folder(tmp_path, plan()):
        for shard in range(2):
            record(tmp_path, shard)
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[:-20])
    assert done_parts(tmp_path, plan()).keys() == {0}
    with open_log(tmp_path) as stream:
        stream.write(b'{"shard": 99}\nnull\n')
    part = record(tmp_path, 2)
    assert done_parts(tmp_path, plan()).keys() == {0, 2}
    assert done_parts(tmp_path, plan())[2] == part


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (plan(8), "another list of images"),
        (plan(rows=2), "another rows_a_shard"),
        (plan(model="n"), "another model"),
        (plan(mask="x"), "another mask"),
        (Plan("vectors", {"model": "m"}, {}, plan().sources, 3), "another kind"),
    ],
)
def test_another_plan_is_refused(tmp_path: Path, other: Plan, reason: str) -> None:
    with open_folder(tmp_path, plan()):
        pass
    before = (tmp_path / MANIFEST).read_bytes()
    with pytest.raises(UsageError, match=reason), open_folder(tmp_path, other):
        pass
    assert (tmp_path / MANIFEST).read_bytes() == before


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"x")
    reason = r"other things \(photo.png\)"
    with pytest.raises(UsageError, match=reason), open_folder(tmp_path, plan()):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"schema": 2}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(UsageError, match=r"damaged|schema"), open_folder(tmp_path, plan()):
        pass


def test_a_file_in_its_place_or_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="is a file"), open_folder(tmp_path / "file", plan()):
        pass
    if os.geteuid() == 0:
        return  # who may write anywhere
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OSError, match="closed"), open_folder(tmp_path / "closed", plan()):
        pass


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path, plan()),
        pytest.raises(UsageError, match="another process"),
        open_folder(tmp_path, plan()),
    ):
        pass
    with open_folder(tmp_path, plan()):
        pass


def test_the_end_is_when_every_shard_is_there(tmp_path: Path) -> None:
    with open_folder(tmp_path, plan()):
        parts = {shard: record(tmp_path, shard) for shard in range(2)}
        with pytest.raises(TwofoldError, match="1 of 3 shards are missing"):
            finish(tmp_path, plan(), parts)
        parts[2] = record(tmp_path, 2, rows=2)
        with pytest.raises(TwofoldError, match="missing"):
            finish(tmp_path, plan(), parts)
        parts[2] = record(tmp_path, 2, rows=1)
        finish(tmp_path, plan(), parts)
    content = json.loads((tmp_path / MANIFEST).read_text())
    assert content["complete"]
    assert (content["n_unusable"], content["n_anomalous"]) == (3, 6)
    with open_folder(tmp_path, plan()) as found:
        assert found.keys() == {0, 1, 2}
