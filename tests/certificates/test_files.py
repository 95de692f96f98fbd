"""Certificates as files: what a page holds, and that every change to one is found."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.certificates.conftest import HOSTILE, certificate
from tests.support.missing import forget, hide

from twofold.certificates import SUFFIXES, read_certificate, render, write_certificate
from twofold.errors import MissingExtraError, UsageError
from twofold.marks import Certificate
from twofold.pages import policy_hash


class _Reader(HTMLParser):
    """Elements with their attributes, and all text by the element that it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))


def page_of(made: Certificate) -> str:
    return render(made, ".html").decode()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".HTML"])
def test_a_certificate_comes_back_from_its_file(
    plain: Certificate, hostile: Certificate, tmp_path: Path, suffix: str
) -> None:
    for made in (plain, hostile):
        path = tmp_path / f"certificate{suffix}"
        write_certificate(made, path)
        assert read_certificate(path) == made


def test_the_json_is_what_it_was(plain: Certificate, tmp_path: Path) -> None:
    write_certificate(plain, tmp_path / "one.json")
    plain.write(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text()) == plain.model_dump(mode="json")


def test_the_page_says_it_all_and_holds_the_document(plain: Certificate) -> None:
    reader = _Reader(page_of(plain))
    text = " ".join("".join(data for tag, data in reader.texts if tag != "script").split())
    for wanted in (
        "Of 600 images, 84 were marked",
        "At most 20% of the anomalies",
        "82.0% to 96.0%",
        "2026-01-02 03:04:05 UTC",
        "Ann",
        "2 images (count as not marked)",
        "1.25",
        "random state 7",
        "a reviewer's mistakes pass into the rates",
        "twofold certify MODEL --marks marks.csv --verify certificate.html",
        *("a" * 64, "b" * 64, "c" * 64, plain.checksum),
    ):
        assert wanted in text
    (document,) = (data for tag, data in reader.texts if tag == "script" and data.strip())
    assert json.loads(document) == plain.model_dump(mode="json")


def test_the_plots_are_where_the_figures_are(plain: Certificate) -> None:
    elements = _Reader(page_of(plain)).elements
    bars = [a for tag, a in elements if tag == "rect"]
    dots = [a for tag, a in elements if tag == "circle"]
    for rate, bar, dot in zip(plain.rates.values(), bars, dots, strict=True):
        assert rate.value is not None
        left, width = float(bar["x"] or 0), float(bar["width"] or 0)
        assert left + 1 == pytest.approx(10 + 200 * rate.low, abs=0.01)  # a margin of 1
        assert left + width - 1 == pytest.approx(10 + 200 * rate.high, abs=0.01)
        assert float(dot["cx"] or 0) == pytest.approx(10 + 200 * rate.value, abs=0.01)


def test_the_policy_lets_in_this_style_and_no_script(hostile: Certificate) -> None:
    page = page_of(hostile)
    reader = _Reader(page)
    (policy,) = (a["content"] for _, a in reader.elements if "http-equiv" in a)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert policy == (
        f"default-src 'none'; style-src '{policy_hash(style)}'; base-uri 'none'; form-action 'none'"
    )
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not {"src", "href", "srcset", "action"} & attributes.keys(), tag
    assert not re.search(r"https?:", style)


def test_hostile_names_are_text(hostile: Certificate) -> None:
    page = page_of(hostile)
    reader = _Reader(page)
    assert [a for tag, a in reader.elements if tag == "script"] == [
        {"type": "application/json", "id": "certificate"}
    ]
    assert not [tag for tag, _ in reader.elements if tag in ("img", "iframe", "object", "a")]
    shown = [data for tag, data in reader.texts if tag == "bdi"]
    assert HOSTILE[0] in "".join(shown)
    assert HOSTILE[2] in "".join(shown)
    for sign in ("\u202e", "\u2028", "\0"):
        assert sign not in page


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_changed_figure_in_the_document_is_found(
    plain: Certificate, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"c{suffix}"
    write_certificate(plain, path)
    raw = path.read_bytes()
    changed = re.sub(rb'("images": ?)600', rb"\g<1>700", raw)
    assert changed != raw
    path.write_bytes(changed)
    with pytest.raises(UsageError, match="was changed since it was made: its checksum is wrong"):
        read_certificate(path)


@pytest.mark.parametrize(
    ("suffix", "shown", "other"),
    [
        (".html", b"91.0%", b"99.0%"),
        (".html", b'cx="192.08"', b'cx="208.08"'),
        (".html", b"background: var(--ground)", b"background: var(--raised)"),
        (".html", b"</main>", b"<p>Approved.</p></main>"),
        (".pdf", b"91.0%", b"99.0%"),
        (".pdf", b"%%EOF", b"%%EOF\n% more"),
    ],
)
def test_a_change_to_what_is_shown_is_found(
    plain: Certificate, tmp_path: Path, suffix: str, shown: bytes, other: bytes
) -> None:
    path = tmp_path / f"c{suffix}"
    write_certificate(plain, path)
    raw = path.read_bytes()
    assert shown in raw
    path.write_bytes(raw.replace(shown, other, 1))
    with pytest.raises(UsageError, match="does not show what the certificate in it says"):
        read_certificate(path)


def test_a_page_with_the_document_of_another_is_found(plain: Certificate, tmp_path: Path) -> None:
    path = tmp_path / "c.html"
    better = certificate(unsure=0)
    old, new = (render(made, ".html").partition(b'id="certificate">') for made in (plain, better))
    path.write_bytes(old[0] + old[1] + new[2])
    with pytest.raises(UsageError, match="does not show what"):
        read_certificate(path)


def test_other_line_ends_are_no_change(plain: Certificate, tmp_path: Path) -> None:
    path = tmp_path / "c.html"
    path.write_bytes(render(plain, ".html").replace(b"\n", b"\r\n"))
    assert read_certificate(path) == plain


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_one_of_another_version_is_told_apart(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"c{suffix}"
    content = render(certificate(twofold="0.0.1"), suffix)
    path.write_bytes(content.replace(b"marked as", b"called as"))  # as that version worded it
    with pytest.raises(UsageError, match=r"holds a certificate of twofold 0\.0\.1, and this is"):
        read_certificate(path)


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_what_is_no_certificate_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"c{suffix}"
    opening = b'<script type="application/json" id="certificate">'
    attached = b"/Type /EmbeddedFile\nstream\n"
    for raw in (
        b"",
        b"%PDF-1.7\n",
        opening,
        attached,
        opening + b"{}</script>" + attached + b"{}\nendstream",
        opening + b"\xff</script>" + attached + b"\xff\nendstream",
        opening + b"[" * 200_000 + b"</script>" + attached + b"[" * 200_000 + b"\nendstream",
        b" " * (2**22 + 1),
    ):
        path.write_bytes(raw)
        with pytest.raises(UsageError, match=rf"c\{suffix}: ") as refused:
            read_certificate(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="no such file"):
        read_certificate(tmp_path / f"none{suffix}")


def test_another_suffix_is_refused(plain: Certificate, tmp_path: Path) -> None:
    for name in ("c.docx", "c", "c.htm", ".json"):
        with pytest.raises(UsageError, match=r"must end in \.json, \.html or \.pdf"):
            write_certificate(plain, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("suffix", "package"), [(".html", "jinja2"), (".pdf", "fpdf"), (".pdf", "uharfbuzz")]
)
def test_without_its_package_the_extra_is_named(
    plain: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    package: str,
) -> None:
    path = tmp_path / f"c{suffix}"
    path.write_bytes(b"x")
    forget(monkeypatch, "twofold.certificates.pdf", "twofold.certificates.lettering")
    hide(monkeypatch, package)
    for attempt in (lambda: write_certificate(plain, path), lambda: read_certificate(path)):
        with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[certificate\]'"):
            attempt()
    write_certificate(plain, tmp_path / "c.json")
