"""The addresses of the page, over a real connection."""

from __future__ import annotations

import csv
import io
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from tests.review.conftest import Served
from tests.support.review import HOSTILE, Client

from twofold.marks import MarksFile
from twofold.review.app import _TYPES
from twofold.spreadsheet import read_cell


def test_the_address_is_exchanged_for_a_cookie_that_scripts_cannot_read(served: Served) -> None:
    fresh = Client(served.server.access.port)
    answer = fresh.enter(served.server.access.address)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert "token" not in answer.headers["location"]
    page = fresh.get("/")
    assert page.status == 200
    assert b'<main id="marking">' in page.body


def test_an_address_is_good_once_and_the_terminal_shows_another(served: Served) -> None:
    address = served.server.access.address
    path = address.removeprefix(served.client.origin)
    assert Client(served.server.access.port).get(path).status == 303
    second = Client(served.server.access.port).get(path)
    assert second.status == 403
    assert "set-cookie" not in second.headers
    assert served.told == [f"for another browser: {served.server.access.address}"]
    assert served.client.get(path).status == 303  # whoever is in already may use it
    assert Client(served.server.access.port).enter(served.server.access.address).status == 303


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%ff%00%E2%80%AE"])
def test_without_the_token_there_is_no_page(served: Served, query: str) -> None:
    answer = Client(served.server.access.port).get(f"/{query}")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert b"marking" not in answer.body
    assert served.told == []


@pytest.mark.parametrize(
    "path",
    ["/page/review.js", "/api/state", "/api/results", "/api/images/0/screen", "/marks.csv", "/x"],
)
def test_without_the_cookie_nothing_is_shown(served: Served, path: str) -> None:
    stranger = Client(served.server.access.port)
    assert stranger.get(path).status == 401
    stranger.cookie = f"{served.server.access.cookie_name}=guess"
    assert stranger.get(path).status == 401
    assert served.client.get(path).status in (200, 404)


def test_every_answer_forbids_what_the_page_does_not_need(served: Served) -> None:
    answers = [
        served.client.get("/"),
        served.client.get("/api/images/1/screen"),
        served.client.get("/nothing"),
        Client(served.server.access.port).get("/api/state"),
        served.client.get("/", {"Host": "evil.example"}),
    ]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


def test_the_parts_of_the_page_and_no_other_files(served: Served) -> None:
    for name in (
        "review.css",
        "review.js",
        "api.js",
        "dom.js",
        "keys.js",
        "panel.js",
        "stage.js",
        "icon.svg",
    ):
        answer = served.client.get(f"/page/{name}")
        assert answer.status == 200
        assert answer.body
    for path in (
        "/page/review.html",
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e/app.py",
        "/page/%2e%2e%2f%2e%2e%2fapp.py",
        "/page//etc/passwd",
        "/page/review.css%00.js",
        "/docs",
        "/openapi.json",
    ):
        assert served.client.get(path).status == 404, path


@pytest.mark.parametrize(
    "number",
    ["-1", "60", "99999999999999999999", "1.5", "a", "..%2f..%2fetc%2fpasswd", "%2e%2e", "0x1", ""],
)
def test_images_go_by_number_only(served: Served, number: str) -> None:
    for kind in ("screen", "pixels", "map", "facts"):
        answer = served.client.get(f"/api/images/{number}/{kind}")
        assert answer.status in (404, 409, 422)
        assert not answer.headers["content-type"].startswith("image/")


def test_an_image_is_encoded_anew_with_its_own_pixels(served: Served) -> None:
    path = served.sample.document.images[3].path
    with Image.open(path) as image:
        wanted = np.asarray(image)
    for kind in ("screen", "pixels"):
        answer = served.client.get(f"/api/images/3/{kind}")
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-image-size"] == "32x24"
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.body))), wanted)
        with open(path, "rb") as file:  # noqa: PTH123 - the very bytes
            assert answer.body != file.read()


def test_an_image_that_changed_or_went_is_not_shown(served: Served) -> None:
    first, second = (served.sample.document.images[number].path for number in (10, 11))
    Image.new("RGB", (32, 24)).save(first)
    with open(second, "wb") as file:  # noqa: PTH123
        file.write(b"GIF89a")
    answers = [served.client.get(f"/api/images/{number}/screen") for number in (10, 11)]
    assert [answer.status for answer in answers] == [422, 422]
    assert all(b"has changed since it was scored" in answer.body for answer in answers)
    no_maps = served.client.get("/api/images/1/map")
    assert (no_maps.status, no_maps.body) == (422, b"this model has no heat maps")


def test_marks_are_on_disk_before_the_answer(served: Served) -> None:
    order = served.sample.document.order
    for count, (number, mark) in enumerate(
        zip(order, ("normal", "anomalous", "unsure"), strict=False)
    ):
        assert served.client.get("/api/state").json["current"] == number
        answer = served.client.mark(number, mark).json
        lines = MarksFile(served.out).lines()
        assert len(lines) == count + 1
        image = served.sample.document.images[number]
        assert (lines[-1].image, lines[-1].mark) == (image.path, mark)
        assert (lines[-1].reviewer, lines[-1].seconds) == ("ada", 1.5)
        assert answer["state"]["current"] == order[count + 1]
        assert answer["state"]["following"] == order[count + 2]
        assert answer["state"]["done"] == count + 1
        assert answer["facts"] == {
            "name": image.path,
            "score": image.score,
            "flagged": image.score > 1.5,
        }


def test_a_mark_can_be_taken_back(served: Served) -> None:
    order = served.sample.document.order
    assert served.client.post("/api/undo", {}).status == 409
    for number in order[:3]:
        served.client.mark(number, "anomalous")
    answer = served.client.post("/api/undo", {}).json
    assert answer["undone"] == "anomalous"
    assert answer["state"]["current"] == order[2]
    assert answer["state"]["done"] == 2
    served.client.mark(order[2], "normal")
    stands = MarksFile(served.out).standing().marks
    assert list(stands.values()) == ["anomalous", "anomalous", "normal"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"image": 1, "mark": "normal"}',
        b'{"image": 1, "mark": "undo", "seconds": 1}',
        b'{"image": "1", "mark": "normal", "seconds": 1}',
        b'{"image": true, "mark": "normal", "seconds": 1}',
        b'{"image": -1, "mark": "normal", "seconds": 1}',
        b'{"image": 60, "mark": "normal", "seconds": 1}',
        b'{"image": 1, "mark": "normal", "seconds": NaN}',
        b'{"image": 1, "mark": "normal", "seconds": 1e300}',
        b'{"image": 1, "mark": "normal", "seconds": -1}',
        b'{"image": 1, "mark": "normal", "seconds": 1, "reviewer": "eve"}',
        b"\xff\xfe",
        b"[" * 2000,
    ],
)
def test_what_is_no_mark_changes_nothing(served: Served, body: bytes) -> None:
    before = served.out.read_bytes()
    answer = served.client.send("POST", "/api/mark", body)
    assert answer.status in (400, 409, 422)
    assert answer.headers["content-type"].startswith("text/plain")
    assert served.out.read_bytes() == before


def test_names_are_given_as_they_are(served: Served) -> None:
    for number, name in enumerate(HOSTILE):
        answer = served.client.get(f"/api/images/{number}/facts")
        assert answer.headers["content-type"] == "application/json"
        assert (
            answer.json["name"].endswith(name.replace("\n", "\\n")) or name in answer.json["name"]
        )


def test_the_file_can_be_had(served: Served) -> None:
    for number in served.sample.document.order[:12]:
        served.client.mark(number)
    answer = served.client.get("/marks.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="marks.csv"'
    assert answer.body == served.out.read_bytes()
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    paths = [served.sample.document.images[n].path for n in served.sample.document.order[:12]]
    assert [read_cell(row["image"]) for row in rows] == paths


def test_a_full_disk_is_said_and_the_mark_not_counted(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    first = served.sample.document.order[0]
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        answer = served.client.mark(first)
    assert answer.status == 507
    assert b"No space left on device" in answer.body


def test_every_file_of_the_page_is_served() -> None:
    names = {entry.name for entry in (files("twofold.review") / "page").iterdir()}
    assert names == {*_TYPES, "review.html"}
    page = (files("twofold.review") / "page" / "review.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("https://www.w3.org", "")
    assert " style=" not in page
    assert "<script>" not in page
