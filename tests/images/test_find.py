from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, find_images


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(images: object, folder: Path) -> list[str]:
    return [os.path.relpath(name, folder) for name in find_images(images).names]  # type: ignore[arg-type]


def test_folder_is_searched_recursively_in_sorted_order(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a/z.jpg", "a/b/c.tif", "c.png", "a.bmp")
    assert found(tmp_path, tmp_path) == ["a/b/c.tif", "a/z.jpg", "a.bmp", "b.png", "c.png"]


@pytest.mark.parametrize(
    "suffix",
    [".png", ".jpg", ".JPEG", ".jpe", ".jfif", ".bmp", ".dib", ".Tif", ".TIFF", ".webp"],
)
def test_suffixes_of_images_in_either_case(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, f"a{suffix}", "notes.txt", "table.csv", "png", "a.png.bak")
    assert found(tmp_path, tmp_path) == [f"a{suffix}"]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, "a.png", ".b.png", "._a.png", ".cache/c.png")
    assert found(tmp_path, tmp_path) == ["a.png"]
    assert found(str(tmp_path / "**" / "*.png"), tmp_path) == ["a.png"]


def test_names_keep_the_prefix_the_user_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "data/a.png")
    monkeypatch.chdir(tmp_path)
    assert find_images("./data").names == ("./data/a.png",)
    assert find_images("data/").names == ("data/a.png",)
    assert find_images(Path("data")).names == ("data/a.png",)
    assert find_images("da*/*.png").names == ("data/a.png",)
    assert find_images("**").names == ("data/a.png",)
    assert find_images("*").names == ("data/a.png",)
    assert find_images(".").names == ("./data/a.png",)


def test_linked_folders_are_followed_but_never_round_a_loop(tmp_path: Path) -> None:
    make(tmp_path, "in/sub/a.png", "out/b.png")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "sub" / "here").symlink_to(".")
    expected = ["in/linked/b.png", "in/sub/a.png"]
    assert found(tmp_path / "in", tmp_path) == expected
    assert found(str(tmp_path / "in" / "**" / "*.png"), tmp_path) == expected


def test_dangling_and_circular_links_become_problems_on_load(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("gone.png")
    (tmp_path / "b.png").symlink_to("b.png")
    images = find_images(tmp_path)
    assert len(images) == 2
    with pytest.raises(ImageError, match=r"^dangling link$"):
        images.load(0)
    with pytest.raises(ImageError, match="symbolic links"):
        images.load(1)


def test_a_folder_deeper_than_the_recursion_limit(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 150)
    make(deep, "a.png")
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert find_images(tmp_path).names == (str(deep / "a.png"),)
    finally:
        sys.setrecursionlimit(usual)


def test_glob_is_sorted_and_unique(tmp_path: Path) -> None:
    make(tmp_path, "s1/good/b.png", "s1/good/a.png", "s2/good/c.png", "s2/bad/d.png", "e.txt")
    good = ["s1/good/a.png", "s1/good/b.png", "s2/good/c.png"]
    assert found(str(tmp_path / "s*" / "good" / "*.png"), tmp_path) == good
    assert found(str(tmp_path / "*" / "good"), tmp_path) == good
    assert found(str(tmp_path / "**" / "good"), tmp_path) == good
    everything = [*good[:2], "s2/bad/d.png", good[2]]
    for pattern in ("**", "*", "**/*", "**/**/*.png", "**/s[12]/**"):
        assert found(str(tmp_path / pattern), tmp_path) == everything


def test_a_path_with_glob_characters_that_exists_wins(tmp_path: Path) -> None:
    make(tmp_path, "run[1]/a.png", "run1/b.png", "x*.png", "xy.png")
    assert found(tmp_path / "run[1]", tmp_path) == ["run[1]/a.png"]
    assert found(tmp_path / "x*.png", tmp_path) == ["x*.png"]


@pytest.mark.parametrize("pattern", ["*.png", "no/*.png", "a.txt/*", "**/no/*.png", "[z]"])
def test_glob_without_a_match(tmp_path: Path, pattern: str) -> None:
    make(tmp_path, "a.txt")
    with pytest.raises(ImageSourceError, match=r"^no images match .* \(looked for \.png, "):
        find_images(str(tmp_path / pattern))


def test_list_keeps_order_and_whatever_is_named(tmp_path: Path) -> None:
    make(tmp_path, "d/b.png", "d/a.png", "z.dat", "y.png", "x1.png")
    images: list[str | Path]
    images = [tmp_path / "z.dat", str(tmp_path / "d"), tmp_path / "x?.png", tmp_path / "gone.png"]
    expected = ["z.dat", "d/a.png", "d/b.png", "x1.png", "gone.png"]
    assert found(images, tmp_path) == expected
    assert found(tuple(images), tmp_path) == expected
    with pytest.raises(ImageError, match=r"^no such file$"):
        find_images(images).load(4)


def test_single_file_is_kept_whatever_its_suffix(tmp_path: Path) -> None:
    make(tmp_path, "image.dat")
    assert found(str(tmp_path / "image.dat"), tmp_path) == ["image.dat"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("/no/such/place", r"^no such file or folder: /no/such/place$"),
        ("/no/such/list.csv", r"^no such file or folder: /no/such/list\.csv$"),
        (["/no/such/list.csv"], r"^no such file or folder: /no/such/list\.csv$"),
        ("bad\0path", "^no such file or folder"),
        ("", "^an empty path"),
        ([""], "^an empty path"),
        ([], "^the list of images is empty$"),
        ([1], "^int in place of a path"),
        ([b"a.png"], "^bytes in place of a path"),
        ([np.zeros((9, 9, 3), int)], "^an array of int64 of shape"),
        ([np.zeros((2, 9, 9), np.uint8)], "as element 0 holds 2 images: give one image"),
        (b"folder", "^images of type bytes: give a folder"),
        (None, "^images of type NoneType"),
        ({"path": "a"}, "^images of type dict"),
    ],
)
def test_impossible_sources(images: object, message: str) -> None:
    with pytest.raises(ImageSourceError, match=message) as caught:
        find_images(images)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_folder_without_images(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", "sub/more.txt")
    with pytest.raises(ImageSourceError) as caught:
        find_images([tmp_path])
    assert str(caught.value) == (
        f"no images in {tmp_path} (looked for .png, .jpg, .jpeg, .jpe, .jfif, .bmp, .dib, .tif, "
        ".tiff, .webp)"
    )


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.png", "locked/b.png")
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ImageSourceError) as caught:
        find_images(tmp_path)
    assert str(caught.value) == f"cannot read folder {tmp_path / 'locked'}: Permission denied"


def test_names_beyond_ascii(tmp_path: Path) -> None:
    make(tmp_path, "Prüfung/ä 図.png")
    assert found(tmp_path, tmp_path) == ["Prüfung/ä 図.png"]


def test_names_that_are_not_text_can_be_printed_and_opened(tmp_path: Path) -> None:
    raw = tmp_path / os.fsdecode(b"gr\xfcn.png")
    try:
        raw.write_bytes(b"content")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    images = find_images(tmp_path)
    assert images.names == (f"{tmp_path}/gr\\xfcn.png",)
    images.names[0].encode()
    assert images.read_bytes(0) == b"content"
    ImageSet.from_paths(["\ud800.png"]).names[0].encode()


def test_array_and_image_set_pass_through() -> None:
    images = find_images(np.zeros((3, 16, 16, 3), np.uint8))
    assert images.names == ("array[0]", "array[1]", "array[2]")
    assert find_images(images) is images


def test_paths_in_every_container(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]

    def generated() -> Iterator[Path]:
        yield from map(Path, paths)

    forms: list[Any] = [
        tuple(paths),
        set(paths),
        frozenset(map(Path, paths)),
        np.array(paths),
        np.array(paths, dtype=object),
        np.array([Path(path) for path in paths]),
        generated(),
        map(str, paths),
        dict.fromkeys(paths).keys(),
        {"x": paths[0], "y": paths[1], "z": paths[2]}.values(),
    ]
    for form in forms:
        assert find_images(form).names == tuple(paths)
    assert sorted(find_images(tmp_path.glob("*.png")).names) == paths


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (5, "^images of type int: give a folder"),
        (2.0, "^images of type float"),
        (bytearray(b"a"), "^images of type bytearray"),
        (BytesIO(b"a"), "^images of type BytesIO: give the path in place of an open file"),
        ({"a": "b.png"}, r"^images of type dict: give its values, as list\(images.values\(\)\)"),
        (iter(()), "^the list of images is empty"),
        (set(), "^the list of images is empty"),
        (np.array([], dtype=object), "^the list of images is empty"),
        (np.array([["a.png"]]), r"shape \(1, 1\): paths must have shape \(n,\)"),
        (np.array([b"a.png"]), "^bytes in place of a path"),
        (["a.png", None], r"^NoneType in place of a path, PIL image or array \(element 1"),
        ([["a.png"]], "^list in place of a path"),
        (range(3), "^int in place of a path"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"channels first: transpose\(0, 2, 3, 1\)"),
        ([np.zeros((5, 20, 30), np.uint8)], "as element 0 holds 5 images"),
    ],
)
def test_what_is_ambiguous_or_no_image_names_the_fix(images: Any, message: str) -> None:
    with pytest.raises(ImageSourceError, match=message) as caught:
        find_images(images)
    assert "\n" not in str(caught.value)
