"""`twofold score --regions`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.cli.cases import Run, one_line

HEADER = ["image", "x", "y", "width", "height", "area", "peak", "anomalous", "problem"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        assert reader.fieldnames == HEADER
    return rows


def test_boxes_lie_in_their_images_and_bad_files_are_rows(
    world: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "regions.csv"
    arguments = ("score", world / "model", world / "mixed", world / "anomalous")
    result = run(*arguments, "--regions", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == run(*arguments).stdout
    rows = read(out)
    bad = [row for row in rows if row["problem"]]
    assert [Path(row["image"]).stem for row in bad] == ["damaged"]
    assert all(not bad[0][name] for name in HEADER[1:-1])
    boxes = [row for row in rows if not row["problem"]]
    assert boxes
    for row in boxes:
        x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0
        assert min(width, height) >= 1
        assert max(x + width, y + height) <= 48
        assert 1 <= int(row["area"]) <= width * height
        assert row["anomalous"] in "01"


def test_defects_have_anomalous_regions_and_normal_images_hardly(
    world: Path, run: Run, tmp_path: Path
) -> None:
    shares = {}
    for name in ("normal", "anomalous"):
        out = tmp_path / f"{name}.csv"
        assert run("score", world / "model", world / name, "--regions", out).exit_code == 0
        flagged = {row["image"] for row in read(out) if row["anomalous"] == "1"}
        shares[name] = len(flagged) / len(list((world / name).iterdir()))
    assert shares["anomalous"] > 0.5
    assert shares["normal"] < 0.5


def test_the_same_boxes_as_coco(world: Path, run: Run, tmp_path: Path) -> None:
    table, objects = tmp_path / "regions.csv", tmp_path / "regions.JSON"
    for path in (table, objects):
        arguments = ("score", world / "model", world / "mixed", "--regions", path)
        assert run(*arguments, "--region-rate", 0.5).exit_code == 0
    content = json.loads(objects.read_text(encoding="utf-8"))
    assert [one["id"] for one in content["categories"]] == [1]
    names = {image["id"]: image["file_name"] for image in content["images"]}
    assert all((image["width"], image["height"]) == (48, 48) for image in content["images"])
    rows = [row for row in read(table) if not row["problem"]]
    assert len(rows) == len(content["annotations"])
    for number, (row, box) in enumerate(zip(rows, content["annotations"], strict=True), start=1):
        assert (box["id"], box["category_id"], box["iscrowd"]) == (number, 1, 0)
        assert names[box["image_id"]] == row["image"]
        assert box["bbox"] == [int(row[name]) for name in ("x", "y", "width", "height")]
        assert (box["area"], box["score"]) == (int(row["area"]), float(row["peak"]))
        assert box["anomalous"] is (row["anomalous"] == "1")


@pytest.mark.slow
def test_more_false_regions_more_alarms(world: Path, run: Run, tmp_path: Path) -> None:
    counts = []
    for rate in (0.1, 0.5, 1.0):
        out = tmp_path / "regions.csv"
        arguments = ("score", world / "model", world / "normal", "--regions", out)
        assert run(*arguments, "--region-rate", rate).exit_code == 0
        counts.append(sum(row["anomalous"] == "1" for row in read(out)))
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_rate_that_few_images_cannot_support_is_said(
    world: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "regions.csv"
    arguments = ("score", world / "model", world / "normal", "--regions", out)
    result = run(*arguments, "--region-rate", 0.001)
    assert result.exit_code == 0
    assert "images are too few for 0.001 false regions an image" in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--region-rate", "0.5"), "--region-rate needs --regions"),
        (("--regions", ".", "--region-rate", "0.5"), "--regions"),
        (("--regions", "r.csv", "--region-rate", "0"), "region_rate"),
        (("--regions", "r.csv", "--region-rate", "nan"), "region_rate"),
    ],
)
def test_wrong_use_is_one_line(
    world: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("score", world / "model", world / "normal", *options)
    one_line(result, code=2, word=word)
    assert not list(tmp_path.iterdir())
