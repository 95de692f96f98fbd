"""``--mask`` of the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.cases import FAST, one_line, rows_of
from tests.cli.conftest import SIDE
from typer.testing import Result

Run = Callable[..., Result]
Parse = Callable[[str], dict[str, Any]]


def mask(path: Path, side: int = SIDE, hidden: int = 20) -> Path:
    """The upper left corner is black."""
    pixels = np.full((side, side), 255, dtype=np.uint8)
    pixels[:hidden, :hidden] = 0
    Image.fromarray(pixels).save(path)
    return path


def stamped(folder: Path, into: Path) -> Path:
    """The images of a folder with something in the corner that none had in the fit."""
    into.mkdir()
    rng = np.random.default_rng(0)
    for path in sorted(folder.iterdir()):
        pixels = np.array(Image.open(path))
        pixels[:20, :20] = rng.integers(0, 256, (20, 20, 3))
        Image.fromarray(pixels).save(into / path.name)
    return into


@pytest.mark.slow
def test_from_fit_to_evaluate(world: Path, run: Run, as_object: Parse, tmp_path: Path) -> None:
    picture, model = mask(tmp_path / "m.png"), tmp_path / "model"
    domains = ("--source", world / "source", "--target", world / "target")
    fitted = run("fit", *domains, "--out", model, "--mask", picture, *FAST)
    assert fitted.exit_code == 0, fitted.stderr
    picture.unlink()
    other = stamped(world / "normal", tmp_path / "stamped")
    scores = [
        [row["score"] for row in rows_of(run("score", model, images).stdout)]
        for images in (world / "normal", other)
    ]
    assert scores[0] == scores[1]
    figures = [
        as_object(
            run(
                *("evaluate", model, "--normal", images, "--anomalous", world / "anomalous"),
                "--json",
            ).stdout
        )
        for images in (world / "normal", other)
    ]
    assert figures[0]["auroc"] == figures[1]["auroc"]
    # Another mask in place of the model's.
    white = mask(tmp_path / "white.png", hidden=0)
    result = run("score", model, other, "--mask", white)
    assert [row["score"] for row in rows_of(result.stdout)] != scores[0]
    (tmp_path / "masks").mkdir()
    mask(tmp_path / "masks" / "000.png")
    result = run("score", model, other, "--mask", tmp_path / "masks")
    assert "note: 11 of 12 image(s) have no mask in" in result.stderr
    assert rows_of(result.stdout)[0]["score"] == scores[0][0]


@pytest.mark.slow
def test_score_and_evaluate_take_a_mask_of_their_own(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    picture = mask(tmp_path / "m.png")
    other = stamped(world / "normal", tmp_path / "stamped")
    for command in (
        ("score", world / "model"),
        ("evaluate", world / "model", "--anomalous", world / "anomalous", "--json", "--normal"),
    ):
        first, second = (
            run(*command, images, "--mask", picture).stdout for images in (world / "normal", other)
        )
        assert first.replace(str(world / "normal"), str(other)) == second
        assert run(*command, other).stdout != second


@pytest.mark.slow
def test_check(world: Path, run: Run, as_object: Parse, tmp_path: Path) -> None:
    picture = mask(tmp_path / "m.png")
    target = stamped(world / "target", tmp_path / "stamped")
    found = [
        as_object(
            run(
                *("check", "--source", world / "source", "--target", images),
                *("--mask", picture, "--json"),
            ).stdout
        )["findings"]
        for images in (world / "target", target)
    ]
    assert found[0]["shift_auroc"] == found[1]["shift_auroc"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("black", "black.png is empty: all of it is darker than 128"),
        ("size", "size.png has 40 x 40 pixels, and the image 48 x 48"),
        ("missing", "missing.png: no such file"),
        ("bad", "bad.png: "),
        ("folder", "mask: no images in"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "check", "score", "evaluate", "review"])
def test_one_line_errors(
    world: Path, run: Run, tmp_path: Path, kind: str, word: str, command: str
) -> None:
    mask(tmp_path / "black.png", hidden=SIDE)
    mask(tmp_path / "size.png", side=40)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "folder").mkdir()
    given = tmp_path / ("folder" if kind == "folder" else f"{kind}.png")
    domains = ("--source", world / "source", "--target", world / "target")
    arguments: dict[str, tuple[object, ...]] = {
        "fit": (*domains, "--out", tmp_path / "m"),
        "check": domains,
        "score": (world / "model", world / "normal"),
        "review": (
            *(world / "model", world / "normal", "--out", tmp_path / "m"),
            *("--export", tmp_path / "sheet"),
        ),
        "evaluate": (
            *(world / "model", "--normal", world / "normal"),
            *("--anomalous", world / "anomalous"),
        ),
    }
    one_line(run(command, *arguments[command], "--mask", given), code=2, word=word)
    assert not (tmp_path / "m").exists()
