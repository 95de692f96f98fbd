"""`twofold score --maps`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.cases import Run, one_line, rows_of


@pytest.mark.slow
def test_maps_are_pictures_of_the_images(world: Path, run: Run, tmp_path: Path) -> None:
    folder, out = tmp_path / "new" / "maps", tmp_path / "scores.csv"
    arguments = ("score", world / "model", world / "mixed", world / "anomalous", "--out", out)
    result = run(*arguments, "--maps", folder)
    assert result.exit_code == 0, result.stderr
    names = [Path(row["image"]).stem for row in rows_of(out.read_text(encoding="utf-8"))]
    wanted = [f"{row:06}_{name}.png" for row, name in enumerate(names) if name != "damaged"]
    assert sorted(path.name for path in folder.iterdir()) == wanted
    assert len(wanted) == 11
    for name in wanted:
        with Image.open(folder / name) as picture:
            assert (picture.size, picture.mode, picture.format) == ((48, 48), "RGB", "PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "scores.csv"]
    plain = run("score", world / "model", world / "mixed", world / "anomalous")
    assert out.read_text(encoding="utf-8") == plain.stdout
    # A second time the same pictures, over the first ones.
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(*arguments, "--maps", folder).exit_code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_defects_are_coloured_and_normal_images_hardly(
    world: Path, run: Run, tmp_path: Path
) -> None:
    changed = {}
    for name in ("normal", "anomalous"):
        assert run("score", world / "model", world / name, "--maps", tmp_path / name).exit_code == 0
        shares = []
        pairs = zip(
            sorted((world / name).iterdir()), sorted((tmp_path / name).iterdir()), strict=True
        )
        for image, drawn in pairs:
            with Image.open(image) as one, Image.open(drawn) as two:
                shares.append(float((np.asarray(one) != np.asarray(two)).any(axis=2).mean()))
        changed[name] = shares
    assert min(changed["anomalous"]) > 0.1
    assert float(np.median(changed["normal"])) < float(np.median(changed["anomalous"])) / 2


def test_no_name_leads_out_of_the_folder(world: Path, run: Run, tmp_path: Path) -> None:
    near = tmp_path / "images"
    names = [
        *("..%2f..%2fup.png", "..\\..\\up.png", "two words.png", "größe 大小.png", "...png"),
        *(
            "-rf.png",
            "a:b*c?.png",
            "line\nbreak.png",
            "\u202egnp.png",
            "CON.png",
            "x" * 200 + ".png",
        ),
        *("same.png", "same.jpg", "same.png.png", "sub/same.png", "sub/../same2.png"),
    ]
    paths = []
    (near / "sub").mkdir(parents=True)
    for name in names:
        shutil.copy(world / "normal" / "000.png", near / name)
        paths.append(near / name)
    folder = tmp_path / "out" / "maps"
    result = run("score", world / "model", *paths, "--out", tmp_path / "s.csv", "--maps", folder)
    assert result.exit_code == 0, result.stderr
    written = sorted(path.name for path in folder.iterdir())
    assert [name[:7] for name in written] == [f"{row:06}_" for row in range(len(names))]
    for name in written:
        assert re.fullmatch(r"[A-Za-z0-9._-]+\.png", name)
        assert len(name) < 100
        assert (folder / name).is_file()
    assert written[2] == "000002_two_words.png"
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == {*(p.resolve() for p in paths), tmp_path / "s.csv", *folder.iterdir()}


def test_a_method_without_maps_is_refused_before_any_work(
    world: Path, run: Run, tmp_path: Path
) -> None:
    model, out, folder = tmp_path / "m", tmp_path / "s.csv", tmp_path / "maps"
    fitted = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", model, "--method", "target_only"),
    )
    assert fitted.exit_code == 0, fitted.stderr
    # The images do not even have to be there.
    for images in (world / "normal", world / "gone"):
        result = run("score", model, images, "--out", out, "--maps", folder)
        one_line(result, code=2, word="method target_only with these options has no anomaly maps")
        assert not out.exists()
        assert not folder.exists()


def test_a_file_in_place_of_the_maps_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    file, out = tmp_path / "maps", tmp_path / "s.csv"
    file.write_text("kept", encoding="utf-8")
    for folder in (file, file / "inside"):
        result = run("score", world / "model", world / "normal", "--out", out, "--maps", folder)
        one_line(result, code=2, word=f"--maps {folder}: ")
        assert file.read_text(encoding="utf-8") == "kept"
        assert not out.exists()
