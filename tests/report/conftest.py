"""A detector on the toy encoder, images with hostile names, and the page about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.report import ReportFile, write_report

HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "</script><script>alert(2)</script>.png".replace("/", "\u2215"),
    "--><!--<script>.png",
    '"onmouseover="alert(3)" x=".png',
    "javascript:alert(4).png",
    "{{ 7 * 7 }}{% raw %}.png",
    "größe 大小 \u202egnp.png",
    "a&b;c,d'e#f?g%20h.png",
    "line\u2028separator.png",
)
"""Names of files that are code, markup or an address to a careless page."""


@contextmanager
def toys() -> Iterator[None]:
    """The encoder `toy` is there, and no cache, within the block alone."""
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        yield


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    with toys():
        yield


@pytest.fixture(scope="session")
def toy_world() -> toy.World:
    return toy.make_world()


@pytest.fixture(scope="session")
def detector(toy_world: toy.World) -> Detector:
    """Fitted with its reference images; do not fit it again."""
    found = Detector(
        encoder=toy.ENCODER, weights="random", engine="torch", options={"effort": "fast"}
    )
    with toys():
        return found.fit(toy_world.source, toy_world.pool)


def write_images(folder: Path, world: toy.World) -> list[int]:
    """Test images, the first of them under hostile names, two unreadable files; their labels."""
    folder.mkdir(parents=True)
    names = [*HOSTILE, *(f"{number:03}.png" for number in range(len(HOSTILE), 60))]
    for name, pixels in zip(names, world.test, strict=True):
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken<b>.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing follows")
    (folder / "empty.png").write_bytes(b"")
    labels = dict(zip(names, world.test_labels.tolist(), strict=True))
    rows = ["image,label"]
    rows += [f'"{"images/" + name}",{labels[name]}' for name in names[len(HOSTILE) :]]
    (folder.parent / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return [labels[name] for name in names]


@dataclass(frozen=True)
class Written:
    """A report and what it is about."""

    file: ReportFile
    folder: Path
    text: str

    @property
    def address(self) -> str:
        return self.file.path.as_uri()


@pytest.fixture(scope="session")
def written(
    detector: Detector, toy_world: toy.World, tmp_path_factory: pytest.TempPathFactory
) -> Written:
    """The page with all its parts: maps, references, labels, unreadable files."""
    folder = tmp_path_factory.mktemp("report")
    write_images(folder / "images", toy_world)
    out = folder / "report.html"
    with toys():
        file = write_report(
            detector, folder / "images", out, labels=folder / "labels.csv", model="no/such<model>"
        )
    return Written(file, folder, out.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def scores(detector: Detector, written: Written) -> NDArray[np.float64]:
    """Of the images of the page, in their order."""
    with toys():
        found = detector.score(written.folder / "images").scores
    return np.asarray(found)
