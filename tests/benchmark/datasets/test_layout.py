"""Class-folder trees: what is found, what is left out, what is named when it is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from twofold.benchmark.datasets.layout import child_folder, images_in, read_class_folders
from twofold.errors import ImageSourceError


def put(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never decoded")
    return folder


def test_images_are_found_by_suffix_and_hidden_files_are_not(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a.png", ".hidden.jpg", "notes.txt", ".git/c.png", "deep/d.jpeg")
    names = [Path(path).relative_to(tmp_path).as_posix() for path in images_in(tmp_path)]
    assert names == ["a.png", "b.JPG", "deep/d.jpeg"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_a_name_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(ImageSourceError, match=r"caf\\xe9.png: .*rename"):
        images_in(tmp_path)
    (tmp_path / os.fsdecode(b"caf\xe9.png")).unlink()
    put(tmp_path, r"back\slash.png")
    assert len(images_in(tmp_path)) == 2


def test_a_child_is_found_in_any_case_and_an_exact_one_first(tmp_path: Path) -> None:
    (tmp_path / "Photo").mkdir()
    (tmp_path / "cartoon").write_text("a file")
    assert child_folder(tmp_path, "photo") == tmp_path / "Photo"
    assert child_folder(tmp_path, "cartoon") is None
    assert child_folder(tmp_path / "absent", "photo") is None
    (tmp_path / "photo").mkdir(exist_ok=True)
    assert child_folder(tmp_path, "photo") == tmp_path / "photo"
    (tmp_path / "art").mkdir()
    assert child_folder(tmp_path, "art_painting", "art") == tmp_path / "art"


def test_only_the_wanted_classes_are_read(tmp_path: Path) -> None:
    put(tmp_path, "dog/1.png", "Cat/1.png", "horse/1.png", "loose.png")
    domain = read_class_folders("d", tmp_path, ("cat", "dog"), "from there")
    assert sorted(zip(domain.classes, domain.paths, strict=True)) == [
        ("cat", str(tmp_path / "Cat" / "1.png")),
        ("dog", str(tmp_path / "dog" / "1.png")),
    ]


def test_every_missing_class_is_named(tmp_path: Path) -> None:
    put(tmp_path, "dog/1.png")
    expected = rf"^{tmp_path} has no folder of class cat, cow: from there$"
    with pytest.raises(ImageSourceError, match=expected):
        read_class_folders("d", tmp_path, ("cat", "dog", "cow"), "from there")


def test_every_empty_class_is_named(tmp_path: Path) -> None:
    put(tmp_path, "dog/1.png", "cat/readme.txt")
    (tmp_path / "cow").mkdir()
    with pytest.raises(ImageSourceError, match=r"no image of class cat, cow: .*from there$") as it:
        read_class_folders("d", tmp_path, ("cat", "dog", "cow"), "from there")
    assert str(tmp_path / "cat") in str(it.value)
    assert "\n" not in str(it.value)
