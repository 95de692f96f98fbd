"""The page as a file: what it holds, what it must not let in, what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.report.conftest import HOSTILE, Written
from tests.support import toy
from tests.support.missing import hide

from twofold import Detector
from twofold.detector.references import Reference
from twofold.errors import ConfigError, MissingExtraError, NotFittedError, UsageError
from twofold.report import write_report
from twofold.report.page import SCRIPTS, data_text


class _Reader(HTMLParser):
    """Elements and their attributes, and the texts of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader


def data_of(text: str) -> dict[str, Any]:
    """What the scripts read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.slow
def test_the_file_is_what_is_returned(written: Written, scores: Any, detector: Detector) -> None:
    assert written.file.n_images == 62
    assert written.file.n_unusable == 2
    assert written.file.n_flagged == int((scores > detector.threshold_.value).sum()) > 5
    assert written.file.n_bytes == written.file.path.stat().st_size < 15_000_000


@pytest.mark.slow
def test_data_is_that_of_the_detector(written: Written, scores: Any, detector: Detector) -> None:
    data, result = data_of(written.text), detector.score(written.folder / "images")
    assert tuple(data["names"]) == result.names
    given = np.array([np.nan if value is None else value for value in data["scores"]])
    assert np.array_equal(given, scores, equal_nan=True)  # to the bit: flags are made from them
    assert data["threshold"]["value"] == detector.threshold_.value
    for name, exact in (("percentiles", result.percentiles), ("pValues", result.p_values)):
        shown = np.array([np.nan if value is None else value for value in data[name]])
        assert np.allclose(shown, exact, rtol=1e-3, equal_nan=True)
    assert [bool(reason) for reason in data["problems"]] == np.isnan(scores).tolist()


def test_each_usable_image_has_a_picture_a_map_and_normals_like_it(written: Written) -> None:
    data = data_of(written.text)
    for row, score in enumerate(data["scores"]):
        if score is None:
            assert data["pictures"][row] is data["grids"][row] is data["alike"][row] is None
            continue
        picture = Image.open(BytesIO(base64.b64decode(data["pictures"][row])))
        assert (picture.format, picture.size) == ("WEBP", (64, 64))
        rows, columns = data["gridShape"]
        assert len(base64.b64decode(data["grids"][row])) == rows * columns
        assert [len(group) for group in data["alike"][row]] == [3, 3]
        target, source = data["alike"][row]
        assert {data["normals"][number]["domain"] for number in target} == {"target"}
        assert {data["normals"][number]["domain"] for number in source} == {"source"}


def test_the_policy_lets_in_just_this_script_and_this_style(written: Written) -> None:
    reader = read(written.text)
    (policy,) = (
        attributes["content"]
        for tag, attributes in reader.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy
    scripts = [a for tag, a in reader.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    for kind in ("script", "style"):
        text = written.text.rpartition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not {"src", "srcset", "action", "formaction"} & attributes.keys(), tag


def test_hostile_names_are_text(written: Written) -> None:
    reader = read(written.text)
    assert sum(tag == "script" for tag, _ in reader.elements) == 2
    assert not [tag for tag, _ in reader.elements if tag in ("img", "b", "iframe", "object")]
    names = [Path(name).name for name in data_of(written.text)["names"]]
    assert set(HOSTILE) - set(names) <= {"größe 大小 \u202egnp.png", "line\u2028separator.png"}
    assert "49" not in "".join(name for name in names if "7 * 7" in name)
    # The one that cannot be read is in a table of the page itself.
    assert "broken&lt;b&gt;.png" in written.text
    assert "no/such&lt;model&gt;" in written.text


def test_data_cannot_end_its_element() -> None:
    hostile = {"</script>": ["<!--<script>", "&lt;", "\u2028\u2029", "\ud800", "é"]}
    text = data_text(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == hostile
    with pytest.raises(ValueError, match="not JSON compliant"):
        data_text([float("nan")])


def test_links_lead_to_the_files_and_nowhere_else(written: Written) -> None:
    data = data_of(written.text)
    for name, link in zip(data["names"], data["links"], strict=True):
        if link is None:
            assert any(sign in name for sign in "\u2028\u202e\\")
            continue
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert link.startswith("./images/")
        assert (written.folder / unquote(link)).is_file()
    assert sum(link is not None for link in data["links"]) >= 58


def test_no_link_leaves_the_folder_of_the_page(
    detector: Detector, written: Written, tmp_path: Path
) -> None:
    out = tmp_path / "elsewhere" / "report.html"
    write_report(detector, written.folder / "images" / "020.png", out)
    data = data_of(out.read_text(encoding="utf-8"))
    assert data["links"] == [None]
    assert str(written.folder) in data["names"][0]  # named as it was given


def test_arrays_and_one_image(detector: Detector, toy_world: toy.World, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    found = write_report(detector, toy_world.test[:1], out, labels=[-1])
    assert (found.n_images, found.n_unusable) == (1, 0)
    text = out.read_text(encoding="utf-8")
    assert data_of(text)["links"] == [None]
    assert "nothing can be measured" in text


def test_a_model_without_reference_images_says_so(
    detector: Detector, toy_world: toy.World, tmp_path: Path
) -> None:
    detector.save(tmp_path / "model", references=False)
    loaded = Detector.load(tmp_path / "model", weights="random")
    assert loaded.references_ is None
    loaded.engine = "torch"
    write_report(loaded, toy_world.test[:4], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "keeps no pictures of normal images" in text
    assert 'id="scatter"' not in text
    data = data_of(text)
    assert (data["alike"], data["normals"], data["places"]) == (None, [], None)


@pytest.mark.parametrize(
    "content", [b"GIF89a", b"\xff\xd8\xff\xe0nothing", b"<svg onload=alert(1)>"]
)
def test_a_hostile_reference_picture_is_left_out(
    detector: Detector,
    toy_world: toy.World,
    tmp_path: Path,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references = detector.references_
    assert references is not None
    bad: Reference = replace(references.target, pictures=(content,) * len(references.target))
    monkeypatch.setattr(detector, "references_", replace(references, target=bad))
    write_report(detector, toy_world.test[:4], tmp_path / "report.html")
    data = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert {normal["domain"] for normal in data["normals"]} == {"source"}
    assert all(len(groups[0]) == 0 for groups in data["alike"])
    encoded = base64.b64encode(content).decode()
    assert encoded not in json.dumps(data)


def test_references_are_written_anew(written: Written, detector: Detector) -> None:
    references = detector.references_
    assert references is not None
    known = {base64.b64encode(picture).decode() for picture in references.source.pictures}
    shown = {normal["picture"] for normal in data_of(written.text)["normals"]}
    assert shown
    assert not shown & known


def test_a_method_without_maps_has_a_page_without(toy_world: toy.World, tmp_path: Path) -> None:
    plain = Detector("frozen_source", encoder=toy.ENCODER, weights="random", engine="torch")
    with pytest.warns(UserWarning, match="rests on source images"):
        plain.fit(toy_world.source, toy_world.pool)
    write_report(plain, toy_world.test, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "has no maps" in text
    assert 'id="heat"' not in text
    assert "how many of these images it flags by mistake is unknown" in text
    data = data_of(text)
    assert data["gridShape"] is None
    assert not any(data["grids"])


def test_what_cannot_be_written_or_used_is_refused(
    detector: Detector, toy_world: toy.World, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_report(detector, toy_world.test[:2], tmp_path)
    with pytest.raises(ConfigError, match="2 numbers 0, 1 or -1"):
        write_report(detector, toy_world.test[:2], tmp_path / "r.html", labels=[0])
    with pytest.raises(NotFittedError):
        write_report(Detector(), toy_world.test[:2], tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_without_jinja_the_extra_is_named(
    detector: Detector, toy_world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "jinja2")
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[report\]'"):
        write_report(detector, toy_world.test[:2], tmp_path / "r.html")


def test_the_files_of_the_page_are_in_the_package() -> None:
    folder = files("twofold.report.page")
    for name in (*SCRIPTS, "style.css", "page.html.j2", "shapes.html.j2", "measured.html.j2"):
        text = folder.joinpath(name).read_text(encoding="utf-8")
        assert len(text.splitlines()) < 300, name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name


def test_scripts_never_write_html() -> None:
    folder = files("twofold.report.page")
    unsafe = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    )
    for name in SCRIPTS:
        text = folder.joinpath(name).read_text(encoding="utf-8")
        assert not [word for word in unsafe if word in text], name


def test_two_reports_of_the_same_images_hold_the_same_data(
    detector: Detector, toy_world: toy.World, tmp_path: Path
) -> None:
    found: list[Mapping[str, Any]] = []
    for name in ("one.html", "two.html"):
        write_report(detector, toy_world.test[:10], tmp_path / name)
        found.append(data_of((tmp_path / name).read_text(encoding="utf-8")))
    assert found[0] == found[1]
