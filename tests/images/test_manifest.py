from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import ImageSourceError, MissingExtraError
from twofold.images import find_images
from twofold.images.manifest import read_column


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


def as_utf8(text: str) -> bytes:
    return f"path,x\n{text}".encode("utf-8", "surrogatepass")


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_delimiters_and_encodings(
    tmp_path: Path, encoding: str, delimiter: str, end: str, suffix: str
) -> None:
    rows = [("label", "path", "note"), ("1", "ä.png", "a"), ("0", "b.png", "")]
    text = "".join(delimiter.join(row) + end for row in rows)
    manifest = tmp_path / f"list{suffix}"
    manifest.write_bytes(text.encode(encoding))
    assert find_images(manifest).names == (f"{tmp_path}/ä.png", f"{tmp_path}/b.png")


@pytest.mark.parametrize(
    "column",
    [
        "path",
        "file",
        "filename",
        "image_path",
        "filepath",
        "image",
        "Path",
        "File Name",
        "IMAGE-PATH",
    ],
)
def test_names_of_the_column(tmp_path: Path, column: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text(f"id,{column},score\n7,a.png,1.5\n")
    assert find_images(manifest).names == (f"{tmp_path}/a.png",)


def test_of_several_columns_the_path_counts(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("image,path\n7,a.png\n")
    assert find_images(manifest).names == (f"{tmp_path}/a.png",)


def test_a_first_line_for_excel(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("sep=;\r\npath;note\r\na, b.png;x\r\n", newline="")
    assert find_images(manifest).names == (f"{tmp_path}/a, b.png",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_plain_list(tmp_path: Path, encoding: str) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_bytes("b.png\r\n\r\n  sub/a, 1.png \n/abs/c.dat".encode(encoding))
    expected = (f"{tmp_path}/b.png", f"{tmp_path}/sub/a, 1.png", "/abs/c.dat")
    assert find_images(manifest).names == expected


def test_paths_count_from_the_manifest_and_then_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "lists/both.png", "both.png", "data/here.png")
    manifest = tmp_path / "lists" / "list.txt"
    manifest.write_text("both.png\ndata/here.png\nnowhere.png\n")
    monkeypatch.chdir(tmp_path)
    assert find_images("lists/list.txt").names == (
        "lists/both.png",
        "data/here.png",
        "lists/nowhere.png",
    )


def test_backslashes_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "lists/sub/a.png", "data/b.png", "lists/odd\\c.png")
    manifest = tmp_path / "lists" / "list.csv"
    manifest.write_text("path\nsub\\a.png\ndata\\b.png\nodd\\c.png\nno\\where.png\n")
    monkeypatch.chdir(tmp_path)
    assert find_images("lists/list.csv").names == (
        "lists/sub/a.png",
        "data/b.png",
        "lists/odd\\c.png",
        "lists/no/where.png",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name;class\na.png;1\n", r"no column named 'path' in the header \(found: name, class\)"),
        ("a.png\tgood\n", r"\(found: a\.png, good\); filepath, image_path, filename"),
        ("path\na, b.png\n", "line 2: 2 fields, but the header has 1: put paths that hold ','"),
        ("path\tx\n\ufeff\ud800", "not UTF-8 text"),
    ],
)
def test_errors_say_what_was_seen(tmp_path: Path, content: str, message: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ImageSourceError, match=message) as caught:
        find_images(manifest)
    assert "\n" not in str(caught.value)


def test_fields_left_empty_at_the_end_of_a_line_are_no_error(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,x\na.png,1,,\n")
    assert len(find_images(manifest)) == 1


def test_utf_16_cut_in_the_middle_of_a_character(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_bytes("path\na.png\n".encode("utf-16")[:-1])
    with pytest.raises(ImageSourceError, match=r"not UTF-16 text \(byte 22\)"):
        find_images(manifest)


def test_a_list_of_many_lines_is_read_in_time(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_text("a" * 500_000 + "\n" + "," * 500_000 + "\n")
    assert len(find_images(manifest)) == 2


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=60).map(as_utf8)))
def test_any_content_gives_paths_or_one_line(content: bytes) -> None:
    for suffix in (".csv", ".txt"):
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(content)
            file.flush()
            said = ""
            try:
                assert find_images(file.name).names
            except ImageSourceError as error:
                said = str(error)
            assert "\n" not in said


def test_names_that_a_spreadsheet_would_calculate(tmp_path: Path) -> None:
    make(tmp_path, "=1+1.png", "'quoted.png")
    manifest = tmp_path / "scores.csv"
    manifest.write_text("image,score\n'=1+1.png,0.2\n'quoted.png,0.3\n")
    assert find_images(manifest).names == (f"{tmp_path}/=1+1.png", f"{tmp_path}/'quoted.png")


def test_another_column_is_read_as_text(tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    table.write_text("path,Part No,lot\na.png,7,x\nb.png,7,\nc.png,8,y\n", encoding="utf-8")
    assert read_column(str(table), "part no") == ["7", "7", "8"]
    assert read_column(str(table), "lot") == ["x", "", "y"]
    with pytest.raises(ImageSourceError, match=r"no column named 'video' \(found: path, Part No"):
        read_column(str(table), "video")
    plain = tmp_path / "images.txt"
    plain.write_text("a.png\nb.png\n", encoding="utf-8")
    with pytest.raises(ImageSourceError, match="is a list of paths and has no column 'lot'"):
        read_column(str(plain), "lot")
    with pytest.raises(ImageSourceError, match="is no manifest"):
        read_column(str(tmp_path), "lot")
