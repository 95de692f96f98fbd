from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from twofold.errors import ImageSourceError, MissingExtraError
from twofold.images import find_images


def test_csv_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text('label,path\n1,b.png\n0,"sub/a, ""1"".png"\n\n1,/abs/c.dat\n')
    assert find_images(manifest).names == (
        f"{tmp_path}/b.png",
        f'{tmp_path}/sub/a, "1".png',
        "/abs/c.dat",
    )
    assert len(find_images([manifest, manifest])) == 6


def test_csv_with_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    manifest = tmp_path / "list.CSV"
    manifest.write_bytes("path ,x\r\nä.png,1\r\n".encode("utf-8-sig"))
    assert find_images(str(manifest)).names == (f"{tmp_path}/ä.png",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"name,label\na.png,1\n", r"no column named 'path' in the header \(found: name, label\)"),
        (b"\npath\na.png\n", r"no column named 'path' in the header \(found: nothing\)"),
        (b"path,label\n", "the manifest lists no images"),
        (b"path,label\na.png,1\n ,0\n", "line 3: the path is blank"),
        (b"label,path\n1,a.png\n0\n", "line 3: the path is blank"),
        (b"path\na.png\0\n", "NUL"),
        (b"path\n\xff\xfe.png\n", r"not UTF-8 text \(byte 5\)"),
        (b"path\n" + b"x" * 200_000, "line 2: field larger"),
    ],
)
def test_unusable_csv(tmp_path: Path, content: bytes, message: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(content)
    with pytest.raises(ImageSourceError, match=message) as caught:
        find_images(manifest)
    assert str(caught.value).startswith(str(manifest))
    assert "\n" not in str(caught.value)


def test_manifest_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(ImageSourceError, match="not a regular file"):
        find_images(tmp_path / "list.csv")


@pytest.mark.parametrize("suffix", [".parquet", ".pq"])
def test_parquet(tmp_path: Path, suffix: str) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    manifest = tmp_path / f"list{suffix}"
    paths = pa.array(["sub/a.png", "b.png", "b.png"]).dictionary_encode()
    pq.write_table(pa.table({"label": [0, 1, 1], "path": paths}), manifest)
    sub, other = f"{tmp_path}/sub/a.png", f"{tmp_path}/b.png"
    assert find_images(manifest).names == (sub, other, other)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": ["a.png"]}, r"no column named 'path' .*found: name\); filepath, image_path"),
        ({"path": ["a.png", None]}, "row 2: the path is blank"),
        ({"path": [1, 2]}, "row 1: the path is blank or not text"),
        ({"path": []}, "the manifest lists no images"),
    ],
)
def test_unusable_parquet(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    manifest = tmp_path / "list.parquet"
    pq.write_table(pa.table(columns), manifest)
    with pytest.raises(ImageSourceError, match=message):
        find_images(manifest)


def test_damaged_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    manifest = tmp_path / "list.parquet"
    manifest.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(ImageSourceError, match="not a readable Parquet file") as caught:
        find_images(manifest)
    assert "\n" not in str(caught.value)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "list.parquet"
    manifest.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow: pip install 'twofold\[parquet\]'"):
        find_images(manifest)
