"""One's own folders: the given split, and no test image that a method may have seen."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets import SHOT, UNLABELLED
from twofold.benchmark.datasets.folders import Folders
from twofold.benchmark.protocol import PROTOCOLS
from twofold.errors import ImageSourceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "mine", "folders", per_class=6, size=12)


def test_each_folder_gives_its_class(root: Path) -> None:
    dataset = Folders(root)
    source, target = (dataset.domain(name) for name in ("source", "target"))
    assert Counter(map(str, source.classes)) == {"normal": 12}
    assert Counter(map(str, target.classes)) == {
        UNLABELLED: 7,
        "normal": 6,
        "anomalous": 6,
        SHOT: 3,
    }
    for path, label in zip(target.paths, target.classes, strict=True):
        folder = Path(path).parent.relative_to(root).as_posix()
        assert {"target": UNLABELLED, "shots": SHOT}.get(folder, folder.split("/")[-1]) == label
    assert dataset.notes == []


def test_the_given_protocol_takes_it_as_it_is(root: Path) -> None:
    domain = Folders(root).domain("target")
    split = PROTOCOLS[Folders.protocol](domain.labels(Folders.classes[0]))

    def folders(rows: np.ndarray) -> set[str]:
        return {Path(domain.paths[row]).parent.relative_to(root).as_posix() for row in rows}

    assert folders(split.pool) == {"target"}
    assert folders(split.shots) == {"shots"}
    assert folders(split.test[split.test_labels == 0]) == {"test/normal"}
    assert folders(split.test[split.test_labels == 1]) == {"test/anomalous"}


def test_images_may_lie_at_any_depth(root: Path) -> None:
    (root / "source" / "monday" / "line 3").mkdir(parents=True)
    (root / "source" / "000.png").rename(root / "source" / "monday" / "line 3" / "x.png")
    assert len(Folders(root).domain("source").paths) == 12


def test_shots_are_optional(root: Path) -> None:
    shutil.rmtree(root / "shots")
    assert SHOT not in Folders(root).domain("target").classes


def test_every_missing_folder_is_named(root: Path) -> None:
    shutil.rmtree(root / "target")
    shutil.rmtree(root / "test" / "anomalous")
    with pytest.raises(ImageSourceError, match="has no folder target, test/anomalous: put your"):
        Folders(root).domain("target")
    assert len(Folders(root).domain("source").paths) == 12


@pytest.mark.parametrize("folder", ["target", "test/normal", "test/anomalous", "shots"])
def test_an_empty_folder_is_named(root: Path, folder: str) -> None:
    for path in (root / folder).iterdir():
        path.unlink()
    with pytest.raises(ImageSourceError, match=f"no images in .*{folder}"):
        Folders(root).domain("target")


@pytest.mark.parametrize("seen", ["target", "shots"])
@pytest.mark.parametrize("kind", ["normal", "anomalous"])
def test_a_test_image_seen_elsewhere_is_refused(root: Path, seen: str, kind: str) -> None:
    first = root / seen / "001.png"
    copy = root / "test" / kind / "under another name.png"
    shutil.copy(first, copy)
    with pytest.raises(ImageSourceError) as caught:
        Folders(root).domain("target")
    assert str(first) in str(caught.value)
    assert str(copy) in str(caught.value)


def test_a_link_to_a_seen_image_is_refused(root: Path) -> None:
    (root / "test" / "normal" / "link.png").symlink_to(root / "target" / "001.png")
    with pytest.raises(ImageSourceError, match=r"link\.png is the same file as"):
        Folders(root).domain("target")


def test_copies_that_are_no_leak_are_let_through(root: Path) -> None:
    shutil.copy(root / "target" / "001.png", root / "target" / "again.png")
    shutil.copy(root / "target" / "001.png", root / "shots" / "known.png")
    assert len(Folders(root).domain("target").paths) == 24


def test_equal_sizes_are_no_equal_files(root: Path) -> None:
    content = (root / "target" / "001.png").read_bytes()
    (root / "test" / "normal" / "same size.png").write_bytes(content[:-1] + b"\x00")
    assert len(Folders(root).domain("target").paths) == 23


def test_files_that_cannot_be_read_are_left_to_the_decoder(root: Path) -> None:
    for folder in ("target", "test/normal"):
        (root / folder / "empty.png").touch()
        (root / folder / "dangling.png").symlink_to(root / "nowhere")
    assert len(Folders(root).domain("target").paths) == 26
