"""What `--out` stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from twofold.errors import UsageError
from twofold.watch.out import find_out


def test_tables_by_their_names() -> None:
    assert (find_out("a/r.csv").kind, find_out("a/r.csv").journal) == (
        "csv",
        Path("a/r.csv.journal"),
    )
    assert find_out("r.PARQUET").kind == "parquet"
    relative, absolute = find_out("sqlite:///r.db"), find_out("sqlite:////tmp/r.db")
    assert (relative.kind, relative.path, relative.journal) == (
        "sqlite",
        Path("r.db"),
        Path("r.db"),
    )
    assert absolute.path == Path("/tmp/r.db")


@pytest.mark.parametrize(
    "text", ["r.txt", "r", "", "sqlite:", "sqlite://r.db", "sqlite:///", "postgresql://x/y.csv.db"]
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--out"):
        find_out(text)


def test_what_is_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.csv").mkdir()
    (tmp_path / "r.parquet").write_bytes(b"")
    for name in ("r.csv", "r.parquet"):
        with pytest.raises(UsageError, match=name):
            find_out(str(tmp_path / name))
    with pytest.raises(UsageError, match="is a folder"):
        find_out(f"sqlite:///{tmp_path}")
    (tmp_path / "full.csv").write_text("image\n", encoding="utf-8")
    (tmp_path / "full.parquet").mkdir()
    (tmp_path / "full.parquet" / "mine.txt").touch()
    for name in ("full.csv", "full.parquet"):
        with pytest.raises(UsageError, match="without its journal"):
            find_out(str(tmp_path / name)).require_free()
    (tmp_path / "empty.csv").touch()
    find_out(str(tmp_path / "empty.csv")).require_free()
