from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

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
