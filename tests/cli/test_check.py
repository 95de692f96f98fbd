"""``check``: one verdict on two folders, with the real default encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Parse = Callable[[str], dict[str, Any]]

FORMS = ("adapt", "no shift: source detector suffices", "do not trust: ")
KEYS = {
    *("n_source", "n_target", "verdict", "reasons", "contamination", "findings", "choices"),
    "problems",
    "notes",
    "bit_depths",
    "visible_flaws",
    "cost",
}


def failed(result: Result, *, code: int, word: str) -> None:
    """One line on stderr and nothing on stdout."""
    assert result.exit_code == code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("twofold: ")
    assert word in line


@pytest.mark.slow
def test_one_json_object_that_says_what_fit_says(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    result = run("check", "--source", world / "source", "--target", world / "target", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    content = as_object(result.stdout)
    assert set(content) == KEYS
    assert (content["n_source"], content["n_target"], content["problems"]) == (40, 44, [])
    assert content["verdict"].startswith(FORMS)
    assert content["reasons"]
    assert content["contamination"] is None
    for name in ("shift_auroc", "kinship", "stability_across", "top_overlap"):
        assert 0 <= content["findings"][name] <= 1
    assert len(content["findings"]["stability"]) == 3
    for name in ("most_like_source", "least_like_source"):
        assert all(Path(image).parent == world / "target" for image in content["findings"][name])
    fitted = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", tmp_path / "model", "--json"),
    )
    evidence = as_object(fitted.stdout)["evidence"]
    shared = ("verdict", "reasons", "contamination", "findings", "choices", "n_source", "n_target")
    assert {name: content[name] for name in shared} == {name: evidence[name] for name in shared}


@pytest.mark.slow
def test_in_words(world: Path, run: Run) -> None:
    result = run("check", "--source", world / "source", "--target", world / "target")
    assert result.exit_code == 0
    assert result.stderr == ""
    content = json.loads((world / "fit.out").read_text(encoding="utf-8"))["evidence"]
    lines = result.stdout.splitlines()
    n = len(content["reasons"])
    assert lines[0] == f"verdict: {content['verdict']}"
    assert lines[1 : 1 + n] == [f"  {reason}" for reason in content["reasons"]]
    assert lines[1 + n].startswith("what next: ")
    assert "40 source and 44 target images" in lines
    for word in ("shift", "kinship", "anomalies in target", "dominant cluster", "its stability"):
        assert any(line.strip().startswith(word) for line in lines), word
    for name in ("most_like_source", "least_like_source"):
        for image in content["findings"][name]:
            assert any(line.endswith(f"  {image}") for line in lines)
    assert all(len(line) < 120 for line in lines if str(world) not in line)


@pytest.mark.slow
def test_one_folder_given_twice_is_said(world: Path, run: Run) -> None:
    result = run("check", "--source", world / "source", "--target", world / "source")
    assert result.exit_code == 0
    assert "source and target hold the same 40 images: is one folder given twice?" in result.stderr


@pytest.mark.slow
def test_the_same_domain(world: Path, run: Run, tmp_path: Path) -> None:
    for name, rest in (("near", 0), ("far", 1)):
        (tmp_path / name).mkdir()
        for number, path in enumerate(sorted((world / "source").iterdir())):
            if number % 2 == rest:
                shutil.copy(path, tmp_path / name)
    result = run("check", "--source", tmp_path / "near", "--target", tmp_path / "far")
    assert result.exit_code == 0
    assert result.stdout.startswith("verdict: no shift: source detector suffices\n")
    assert "what next: a detector of the source will do: " in result.stdout


def test_too_few_images_are_a_verdict_and_no_failure(
    world: Path, run: Run, as_object: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("check", "--source", world / "source", "--target", world / "few")
    result = run(*arguments, "--json")
    assert result.exit_code == 0
    content = as_object(result.stdout)
    assert content["verdict"] == "do not trust: too few target images"
    assert content["reasons"] == ["8 target images, at least 10 are needed"]
    assert content["findings"] is None
    words = run(*arguments)
    assert words.exit_code == 0
    assert words.stdout.splitlines() == [
        "verdict: do not trust: too few target images",
        "  8 target images, at least 10 are needed",
        "what next: mend what is named above, or test a detector on images you have labelled: "
        "twofold evaluate",
        "",
        "40 source and 8 target images",
    ]
    assert not list(tmp_path.iterdir())  # nothing is kept


@pytest.mark.slow
def test_unusable_images_are_said_and_listed(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    shutil.copytree(world / "target", tmp_path / "target")
    note = tmp_path / "target" / "note.png"
    note.write_text("not an image", encoding="utf-8")
    arguments = ("check", "--source", world / "source", "--target", tmp_path / "target")
    result = run(*arguments, "--json")
    assert result.exit_code == 0
    (problem,) = as_object(result.stdout)["problems"]
    assert (problem["path"], "not an image" in problem["reason"]) == (str(note), True)
    assert result.stderr.splitlines() == [f"skipped {note}: {problem['reason']}"]
    failed(run(*arguments, "--strict"), code=1, word="note.png")


@pytest.mark.slow
def test_what_fails_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ("check", "--source", world / "source", "--target")
    failed(run(*arguments, world / "gone"), code=1, word="gone")
    failed(run(*arguments, tmp_path / "empty"), code=1, word="no images")
    failed(run(*arguments, world / "bad"), code=1, word="none of the 1 target images")
    for rate in ("0", "1.5", "nan"):
        result = run(*arguments, world / "target", "--false-alarm-rate", rate)
        failed(result, code=2, word="false_alarm_rate")
    failed(run(*arguments, world / "target", "--encoder", "x"), code=2, word="unknown encoder 'x'")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--source", "a"),
        ("--target", "b"),
        ("--source", "a", "--target", "b", "--random-state", "-1"),
        ("--source", "a", "--target", "b", "c"),
    ],
)
def test_wrong_use_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr
