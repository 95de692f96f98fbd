"""What is answered of images, over a real connection."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support import toy
from tests.support.bad_files import write_bad_files
from tests.support.review import HOSTILE
from tests.support.serve import Served, png

from twofold import Detector
from twofold.images import ImageSet
from twofold.report.looking import small_grid
from twofold.serve.schemas import ModelAnswer, ModelsAnswer, ScoreAnswer


def test_served_scores_are_local_ones_to_the_bit(
    served: Served, detector: Detector, pngs: list[bytes], tmp_path: Path
) -> None:
    paths = []
    for number, content in enumerate(pngs):
        paths.append(str(tmp_path / f"{number:03}.png"))
        Path(paths[-1]).write_bytes(content)
    local = detector.score(paths)
    found = []
    for start in range(0, len(pngs), 12):
        files = [(f"{n}.png", pngs[n]) for n in range(start, start + 12)]
        answer = served.client.score(files)
        assert answer.status == 200
        found += answer.json["results"]
    for row, mine in zip(local.rows(), found, strict=True):
        assert {key: mine[key] for key in row if key != "image"} == {
            key: value for key, value in row.items() if key != "image"
        }
    assert len({row["score"] for row in found}) > 50


def test_regions_of_what_is_anomalous_or_of_all(
    served: Served, detector: Detector, pngs: list[bytes], toy_world: toy.World
) -> None:
    files = [("a.png", content) for content in pngs[:8]]
    usual = served.client.score(files).json["results"]
    every = served.client.score(files, "?regions=all").json["results"]
    none = served.client.score(files, "?regions=none").json["results"]
    assert {row["anomalous"] for row in usual} == {0, 1}
    for row, other, without, local in zip(
        usual, every, none, detector.regions(toy_world.test[:8]), strict=True
    ):
        boxes = [
            {**vars(box), "peak": float(box.peak), "anomalous": bool(box.anomalous)}
            for box in local.regions
        ]
        assert other["regions"] == boxes
        assert row["regions"] == (boxes if row["anomalous"] else None)
        assert without["regions"] is None
        assert row["score"] == other["score"] == without["score"]


def test_maps_and_pictures_come_when_they_are_asked_for(
    served: Served, detector: Detector, pngs: list[bytes]
) -> None:
    files = [("a.png", pngs[1])]
    (row,) = served.client.score(files).json["results"]
    assert (row["map"], row["picture"]) == (None, None)
    (row,) = served.client.score(files, "?map=png&picture=true").json["results"]
    layer = Image.open(io.BytesIO(base64.b64decode(row["map"]["data"])))
    assert (layer.format, layer.mode, layer.size) == ("PNG", "RGBA", (64, 64))
    picture = Image.open(io.BytesIO(base64.b64decode(row["picture"])))
    assert (picture.format, picture.size) == ("WEBP", (64, 64))
    (row,) = served.client.score(files, "?map=grid").json["results"]
    (made,) = detector.maps(ImageSet.from_contents([pngs[1]]))
    assert made.grid is not None
    expected = small_grid(made.grid, *detector.method_.map_range())
    assert (row["map"]["rows"], row["map"]["columns"]) == expected.shape
    assert base64.b64decode(row["map"]["data"]) == expected.tobytes()


def test_one_image_as_the_body_itself(served: Served, pngs: list[bytes]) -> None:
    (expected,) = served.client.score([("upload", pngs[0])]).json["results"]
    for kind in ("image/png", "application/octet-stream", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = served.client.send("POST", "/v1/score", pngs[0], headers)
        assert answer.json["results"] == [expected]
    answer = served.client.send("POST", "/v1/score", b"{}", {"Content-Type": "application/json"})
    assert answer.status == 415


def test_a_bad_file_is_named_and_the_others_stand(
    served: Served, pngs: list[bytes], tmp_path: Path
) -> None:
    words = write_bad_files(tmp_path)
    del words["dangling.png"]  # no content of its own
    files = [("good.png", pngs[0])]
    files += [(name, (tmp_path / name).read_bytes()) for name in words]
    files.append(("also_good.png", pngs[1]))
    answer = served.client.score(files, "?map=png&regions=all&picture=true")
    assert answer.status == 200
    first, *bad, last = answer.json["results"]
    alone = [served.client.score([("x", pngs[n])]).json["results"][0]["score"] for n in (0, 1)]
    assert [first["score"], last["score"]] == alone
    for row, (name, word) in zip(bad, words.items(), strict=True):
        assert row["image"] == name
        assert word in row["problem"]
        assert {value for key, value in row.items() if key not in {"image", "problem"}} == {None}


def test_odd_kinds_of_good_files(served: Served, detector: Detector, toy_world: toy.World) -> None:
    image = Image.fromarray(toy_world.test[0])
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
    kinds = [
        ("cmyk.jpg", image.convert("CMYK"), "JPEG"),
        ("deep.png", Image.fromarray(deep), "PNG"),
        ("palette.png", image.convert("P"), "PNG"),
        ("grey.bmp", image.convert("L"), "BMP"),
        ("alpha.tif", image.convert("RGBA"), "TIFF"),
    ]
    files = []
    for name, picture, kind in kinds:
        stream = io.BytesIO()
        picture.save(stream, kind)
        files.append((name, stream.getvalue()))
    found = served.client.score(files).json["results"]
    local = detector.score(ImageSet.from_contents(content for _, content in files))
    assert [row["problem"] for row in found] == [None] * 5
    assert [row["score"] for row in found] == local.scores.tolist()


@pytest.mark.parametrize("name", [*HOSTILE, "../../etc/passwd", "/etc/passwd", "x" * 3000, "größe"])
def test_names_are_sent_back_and_never_opened(served: Served, pngs: list[bytes], name: str) -> None:
    quoted, before = name.replace('"', "%22").replace("\n", "%0A"), len(served.log.getvalue())
    (row,) = served.client.score([(quoted, pngs[0])]).json["results"]
    assert row["problem"] is None
    assert row["image"].isprintable()
    assert len(row["image"]) <= 255
    assert row["image"].split("\\u")[0][:50] in quoted
    assert quoted not in served.log.getvalue()[before:]  # a name may tell what an image shows


def test_answers_are_as_the_document_says(served: Served, pngs: list[bytes]) -> None:
    files = [("a.png", pngs[1]), ("b.png", b"")]
    ScoreAnswer.model_validate(served.client.score(files, "?map=png&regions=all").json)
    ModelAnswer.model_validate(served.client.get("/v1/model").json)
    ModelsAnswer.model_validate(served.client.get("/v1/models").json)
    document = served.client.get("/openapi.json").json
    assert {"/v1/score", "/v1/model", "/v1/models", "/metrics", "/healthz"} <= set(
        document["paths"]
    )
    example = document["components"]["schemas"]["ImageAnswer"]["properties"]["score"]["examples"]
    assert example == [1.342]


def test_nothing_of_an_image_is_kept(
    detector: Detector, pngs: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twofold.serve.seeing import Job, see

    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(detector, "_frozen", {})
    see(detector, [Job(content) for content in pngs[:4]], 10**6)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.stat().st_size > 50_000]
    assert kept == []
    monkeypatch.setattr(detector, "_frozen", {})  # as it was


def test_too_many_pixels_are_told_from_the_header(served: Served) -> None:
    wide = png(np.zeros((6000, 9000), dtype=np.uint8))
    (row,) = served.client.score([("wide.png", wide)]).json["results"]
    assert "9000 x 6000 pixels: more than the limit of 50000000" in row["problem"]
    assert json.dumps(row)
