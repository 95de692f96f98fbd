"""PACS: its layouts, its list files, and the real images where they are at hand."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets.pacs import Pacs
from twofold.errors import ImageSourceError

REAL = os.environ.get("TWOFOLD_PACS")
TOTALS = {"photo": 1670, "art_painting": 2048, "cartoon": 2344, "sketch": 3929}

pytestmark = pytest.mark.filterwarnings("ignore:pacs :UserWarning")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "pacs", "pacs", per_class=4, size=8)


def lines(tree: Path, domain: str, numbers: range = range(1, 5)) -> list[str]:
    """Lines of a list file: the images of those numbers in every class."""
    return [
        f"{domain}/{label}/{sorted((tree / domain / label).iterdir())[number - 1].name} {place}"
        for place, label in enumerate(Pacs.classes, start=1)
        for number in numbers
    ]


def write(folder: Path, name: str, content: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(content) + "\n", encoding="utf-8")


def test_the_published_totals() -> None:
    assert {name: sum(counts.values()) for name, counts in Pacs.published.items()} == TOTALS
    assert Pacs.classes == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")


@pytest.mark.parametrize("outer", ["kfold", "pacs_data"])
def test_the_archives_outer_folders(tmp_path: Path, outer: str) -> None:
    make_tree(tmp_path / outer, "pacs", per_class=2, size=8)
    assert len(Pacs(tmp_path).domain("cartoon").paths) == 14


def test_art_is_art_painting_in_name_and_folder(tree: Path) -> None:
    dataset = Pacs(tree)
    assert dataset.domain("art") is dataset.domain("art_painting")
    (tree / "art_painting").rename(tree / "art")
    found = Pacs(tree).domain("art_painting")
    assert found.name == "art_painting"
    assert len(found.paths) == 28


@pytest.mark.parametrize("place", [".", "kfold", "files", "pacs_label"])
def test_train_and_crossval_together_decide(tree: Path, place: str) -> None:
    write(tree / place, "photo_train_kfold.txt", [*lines(tree, "photo", range(1, 3)), ""])
    write(tree / place, "photo_crossval_kfold.txt", lines(tree, "photo", range(3, 4)))
    found = Pacs(tree).domain("photo")
    assert Counter(map(str, found.classes)) == dict.fromkeys(Pacs.classes, 3)
    assert all(Path(path).is_file() for path in found.paths)
    assert not any(path.endswith("0004.jpg") for path in found.paths)
    # The other domains have no lists here.
    assert len(Pacs(tree).domain("sketch").paths) == 28


def test_the_test_list_alone_decides(tree: Path) -> None:
    write(tree, "sketch_test_kfold.txt", lines(tree, "sketch", range(1, 4)))
    assert len(Pacs(tree).domain("sketch").paths) == 21


def test_an_image_in_all_lists_counts_once(tree: Path) -> None:
    for part, numbers in (("train", range(1, 4)), ("crossval", range(4, 5)), ("test", range(1, 5))):
        write(tree, f"photo_{part}_kfold.txt", lines(tree, "photo", numbers))
    found = Pacs(tree).domain("photo")
    assert len(found.paths) == len(set(found.paths)) == 28


def test_lists_beside_the_images_of_the_archive(tmp_path: Path) -> None:
    inner = make_tree(tmp_path / "kfold", "pacs", per_class=4, size=8)
    write(tmp_path / "pacs_label", "photo_test_kfold.txt", lines(inner, "photo", range(1, 3)))
    found = Pacs(tmp_path).domain("photo")
    assert len(found.paths) == 14
    assert Path(found.paths[0]).is_relative_to(inner)


@pytest.mark.parametrize(("there", "missing"), [("train", "crossval"), ("crossval", "train")])
def test_half_of_the_lists_is_refused(tree: Path, there: str, missing: str) -> None:
    write(tree, f"photo_{there}_kfold.txt", lines(tree, "photo"))
    with pytest.raises(ImageSourceError, match=f"photo_{missing}_kfold.txt is missing"):
        Pacs(tree).domain("photo")


@pytest.mark.parametrize(("gone", "more"), [(1, ""), (3, " and 2 more")])
def test_listed_files_that_are_missing_are_counted(tree: Path, gone: int, more: str) -> None:
    write(tree, "photo_test_kfold.txt", lines(tree, "photo"))
    files = sorted((tree / "photo" / "horse").iterdir())[:gone]
    for file in files:
        file.unlink()
    with pytest.raises(ImageSourceError) as caught:
        Pacs(tree).domain("photo")
    assert f"no such file: {files[0]}{more}: " in str(caught.value)
    assert "photo_test_kfold.txt" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "photo/dog/056_0001.jpg",
        "photo/dog/056_0001.jpg 2",
        "photo/dog/056_0001.jpg 0",
        "photo/cow/056_0001.jpg None",
        "sketch/dog/1.png 1",
        "dog/056_0001.jpg 1",
        "photo/dog/.. 1",
        "photo/dog/a/b.jpg 1",
        "1",
    ],
)
def test_a_line_of_another_form_is_refused(tree: Path, line: str) -> None:
    write(tree, "photo_test_kfold.txt", [*lines(tree, "photo"), line])
    with pytest.raises(ImageSourceError, match=r"photo_test_kfold\.txt line 29: "):
        Pacs(tree).domain("photo")


def test_a_list_without_a_class_is_refused(tree: Path) -> None:
    kept = [line for line in lines(tree, "photo") if "/horse/" not in line]
    write(tree, "photo_test_kfold.txt", kept)
    with pytest.raises(ImageSourceError, match="no image of class horse"):
        Pacs(tree).domain("photo")


def test_a_list_that_is_no_text_is_refused(tree: Path) -> None:
    (tree / "photo_test_kfold.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ImageSourceError, match=r"cannot read .*photo_test_kfold\.txt"):
        Pacs(tree).domain("photo")


@pytest.mark.skipif(not REAL, reason="TWOFOLD_PACS does not name a folder with PACS")
@pytest.mark.parametrize("domain", Pacs.domains)
def test_the_real_images_are_as_published(domain: str) -> None:
    dataset = Pacs(Path(REAL or ""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dataset.domain(domain)
    assert Counter(map(str, found.classes)) == dataset.published[domain]
    assert len(found.paths) == TOTALS[domain]
    assert dataset.notes == []
