"""`twofold drift`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.cases import Parse, Run, one_line
from tests.cli.conftest import write_images


@pytest.fixture
def stream(world: Path, tmp_path: Path) -> Path:
    """Images of the target first, then of the source: the line has changed back."""
    folder = tmp_path / "stream"
    write_images(folder / "1", n=30, tint=40, seed=11)
    write_images(folder / "2", n=90, tint=0, seed=12)
    return folder


@pytest.mark.slow
def test_a_domain_that_moves_is_told_with_a_picture(
    world: Path, stream: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    picture = tmp_path / "new" / "drift.png"
    result = run("drift", world / "model", stream, "--picture", picture)
    assert result.exit_code == 0, result.stderr
    first, *others, advice = result.stdout.splitlines()
    assert first == "120 images: the domain has moved"
    assert any(line.startswith("  the domain has moved: warned at image") for line in others)
    assert advice.startswith("Fit again with the last ")
    with Image.open(picture) as drawn:
        assert drawn.size == (1200, 600)
    found = as_object(run("drift", world / "model", stream, "--json").stdout)
    assert (found["kind"], found["n_images"], found["false_warnings"]) == ("domain", 120, 0.01)
    warning = found["warnings"]["domain"]
    assert 30 < warning["at"] <= 120
    assert warning["change"]["since"] == pytest.approx(30, abs=3)
    assert found["p_values"]["domain"] <= 0.0025
    assert found["advice"] == advice


def test_images_like_those_of_the_fit_are_no_change(
    world: Path, run: Run, as_object: Parse
) -> None:
    result = run("drift", world / "model", world / "normal", world / "mixed")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "15 images: no change"
    assert lines[-1].startswith("Go on")
    assert "damaged.png" in result.stderr
    found = as_object(run("drift", world / "model", world / "normal", "--json").stdout)
    assert (found["kind"], found["warnings"]) == ("none", {})
    assert set(found["p_values"]) == {"domain", "anomalies"}


@pytest.mark.slow
def test_the_order_of_time_is_that_of_the_files(world: Path, run: Run, stream: Path) -> None:
    """The same files as above, whose times run against their names."""
    for place, path in enumerate(sorted(stream.rglob("*.png"), reverse=True)):
        os.utime(path, (1_000_000 + place, 1_000_000 + place))
    by_name = run("drift", world / "model", stream).stdout
    by_time = run("drift", world / "model", stream, "--order", "time").stdout
    assert by_name != by_time
    assert "since image 1," in by_time


def test_wrong_use_is_found_out_before_any_work(world: Path, run: Run, tmp_path: Path) -> None:
    given = ("drift", world / "gone", world / "normal")
    one_line(run(*given, "--order", "size"), code=2, word="give name or time")
    one_line(run(*given, "--picture", tmp_path / "a.gif"), code=2, word=".png, .svg or .pdf")
    one_line(run(*given, "--picture", tmp_path), code=2, word="is a folder")
    given = ("drift", world / "model", world / "normal")
    one_line(run(*given, "--false-warnings", "0"), code=2, word="between 0 and 1")
    one_line(run("drift", world / "model", tmp_path / "no"), code=1, word="no")


def test_a_state_goes_on_where_the_last_call_ended(
    world: Path, stream: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    state = tmp_path / "new" / "state.json"
    whole = as_object(run("drift", world / "model", stream, "--json").stdout)
    first = as_object(
        run("drift", world / "model", stream / "1", "--state", state, "--json").stdout
    )
    assert (first["kind"], first["n_images"]) == ("none", 30)
    second = as_object(
        run("drift", world / "model", stream / "2", "--state", state, "--json").stdout
    )
    # In other portions, sums are rounded elsewhere.
    assert second | {"p_values": whole["p_values"]} == whole
    assert second["p_values"] == pytest.approx(whole["p_values"], rel=1e-6, abs=0)


def test_a_state_of_something_else_is_refused(world: Path, run: Run, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    images = world / "normal"
    state.write_bytes(b"{}")
    result = run("drift", world / "model", images, "--state", state)
    one_line(result, code=2, word=f"--state {state}: not what drift keeps")
    state.unlink()
    assert run("drift", world / "model", images, "--state", state).exit_code == 0
    before = state.read_bytes()
    result = run("drift", world / "model", images, "--state", state, "--false-warnings", "0.2")
    one_line(result, code=2, word="states 0.01")
    assert state.read_bytes() == before
    one_line(run("drift", world / "model", images, "--state", tmp_path), code=2, word="is a folder")
