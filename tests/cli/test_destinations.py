"""What cannot be written is refused in one line that names the option, before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from twofold.cli.destinations import check_file, check_folder, check_model, check_parents
from twofold.errors import RemoteError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("kept", encoding="utf-8")
    return path


@pytest.mark.parametrize("inside", ["", "deep/inside"])
@pytest.mark.parametrize(
    "command",
    [
        ("bench", "pacs", "--root", "/no/such/folder"),
        ("tables", "/no/such/results"),
        ("demo",),
        ("fit", "--source", "/no/such/images"),
    ],
    ids=lambda command: command[0],
)
def test_a_file_in_place_of_a_folder(
    run: Run, file: Path, command: tuple[str, ...], inside: str
) -> None:
    out = file / inside if inside else file
    result = run(*command, "--out", out)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    if command[0] == "fit" and not inside:  # an existing model would be replaced
        assert result.exit_code == 1
        assert str(out) in lines[0]
    else:
        assert result.exit_code == 2
        assert lines[0].startswith(f"twofold: --out {out}: ")
    assert file.read_text(encoding="utf-8") == "kept"


def test_a_folder_in_place_of_the_results(run: Run, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").mkdir()
    result = run("bench", "pacs", "--root", "/no/such/folder", "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"twofold: --out {tmp_path / 'results.jsonl'}: is a folder; name a file in it\n"
    )


@pytest.mark.slow
def test_a_folder_in_place_of_a_table_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tables.md").mkdir()
    result = run("tables", tmp_path / "none", "--published", "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"twofold: {tmp_path / 'tables.md'}: is a")


def test_what_can_be_written_is_let_through_and_nothing_is_made(file: Path) -> None:
    check_file("--out", None)
    check_folder("--out", None)
    check_file("--out", file)
    check_file("--out", file.parent / "new" / "deep" / "scores.csv")
    check_file("--out", "scores.csv")
    check_file("--out", os.devnull)
    check_folder("--out", file.parent)
    check_folder("--out", file.parent / "new" / "deep")
    check_parents("--out", file.parent / "new")
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]


def test_a_link_to_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"--out .*link is not a folder"):
        check_file("--out", tmp_path / "link" / "scores.csv")


@pytest.mark.parametrize("given", ["s3://b/x.csv", Path("s3://b/x.csv"), "file:///x.csv"])
def test_an_address_is_no_path_of_this_machine(given: str | Path) -> None:
    for check in (check_file, check_folder, check_parents):
        with pytest.raises(UsageError, match=r"--out .*: is an address"):
            check("--out", given)


def test_a_model_may_go_to_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("twofold.detector.far_model.check_store", asked.append)
    monkeypatch.setattr("twofold.detector.far_model.list_files", asked.append)
    check_model("--out", "s3://b/m/")
    assert asked == ["s3://b/m/", "s3://b/m/"]
    monkeypatch.undo()
    with pytest.raises(RemoteError, match="the web is only read"):
        check_model("--out", "http://h/m")
