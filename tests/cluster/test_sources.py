"""Images cut into shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.cluster.conftest import write_images

from twofold.cluster.parquet_rows import ParquetRows
from twofold.cluster.sources import Paths, find_sources, listing_sha256, shards_of
from twofold.errors import ImageError, ImageSourceError, UsageError
from twofold.images import ImageSet, find_images


def write(path: Path, rows: dict[str, Any], group: int = 4) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(rows), path, row_group_size=group)
    return str(path)


def names(images: ImageSet) -> list[str]:
    return list(images.names)


def test_shards_hold_each_image_once_in_order_and_never_change(tmp_path: Path) -> None:
    first, second = write_images(tmp_path / "a", 7), write_images(tmp_path / "b", 5)
    table = write(tmp_path / "c.parquet", {"path": [f"a/{i:03}.png" for i in range(6)]})
    sources = find_sources([str(tmp_path / "a"), str(tmp_path / "b"), table])
    shards = list(shards_of(sources, 4))
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert [shard.start for shard in shards] == [0, 4, 8, 12, 16]
    found = [name for shard in shards for name in names(shard.source.images())]
    assert found == first + second + first[:6]
    assert found == [n for shard in shards_of(sources, 4) for n in names(shard.source.images())]


def test_one_folder_is_found_as_one_process_finds_it(mixed: Path) -> None:
    (source,) = find_sources(str(mixed))
    assert names(source.images()) == list(find_images(str(mixed)).names)


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 5), (4, 8), (7, 11), (10, 11), (0, 11)])
def test_any_range_of_a_table_is_that_part_of_all_its_rows(
    tmp_path: Path, start: int, stop: int
) -> None:
    paths = [f"{i}.png" for i in range(11)]
    (source,) = find_sources(write(tmp_path / "list.parquet", {"path": paths}))
    whole = names(source.images())
    assert whole == [str(tmp_path / path) for path in paths]
    assert names(source.part(start, stop).images()) == whole[start:stop]
    assert names(source.part(start, stop).part(1, 2).images()) == whole[start + 1 : start + 2]


def test_paths_that_are_absolute_or_climb_mean_what_they_mean_in_one_process(
    tmp_path: Path,
) -> None:
    (image, *_) = write_images(tmp_path / "images", 1)
    listed = [image, "../images/000.png", "../../nowhere/x.png", "/etc/hostname"]
    table = write(tmp_path / "lists" / "list.parquet", {"path": listed})
    found, local = find_sources(table)[0].images(), find_images(table)
    assert found.names == local.names
    assert found.load(0).digest == found.load(1).digest
    with pytest.raises(ImageError, match="no such file"):
        found.load(2)
    with pytest.raises(ImageError):  # whatever a text file is, its words go nowhere
        found.load(3).decode()


def test_rows_without_a_path_are_images_that_cannot_be_used(tmp_path: Path) -> None:
    table = write(tmp_path / "list.parquet", {"path": ["a.png", None, " "]})
    images = find_sources(table)[0].images()
    assert names(images)[1:] == [f"{table}#1", f"{table}#2"]
    for row in (1, 2):
        with pytest.raises(ImageError, match="blank or not text"):
            images.load(row)
    numbers = find_sources(write(tmp_path / "numbers.parquet", {"path": [1, 2]}))[0].images()
    with pytest.raises(ImageError, match="blank or not text"):
        numbers.load(0)


@pytest.mark.parametrize("form", ["bytes", "image", "structure"])
def test_images_in_a_table_are_those_of_the_files(tmp_path: Path, form: str) -> None:
    paths = write_images(tmp_path / "images", 3)
    contents: list[bytes | None] = [Path(path).read_bytes() for path in paths]
    contents += [None, b"", b"no image"]
    called = [*paths, "null", "empty", ""]
    rows: dict[str, Any] = {"label": list(range(6)), "path": called, form: contents}
    if form == "structure":
        pairs = zip(contents, called, strict=True)
        rows = {"image": [{"bytes": content, "path": path} for content, path in pairs]}
    table = write(tmp_path / "images.parquet", rows)
    images = find_sources(table)[0].images()
    assert names(images) == [*called[:5], f"{table}#5"]
    files = find_images(paths)
    for row in range(3):
        assert images.load(row).digest == files.load(row).digest
        assert images.header(row) == files.header(row)
    for row, reason in ((3, "no bytes"), (4, "empty file")):
        with pytest.raises(ImageError, match=reason):
            images.load(row)
    with pytest.raises(ImageError, match="not an image"):
        images.load(5).decode()


def test_a_folder_or_a_glob_of_tables(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write(tmp_path / "tables" / f"{number}.parquet", {"path": [f"{number}.png"]})
    (tmp_path / "tables" / "_manifest.json").write_text("{}")
    for given in (tmp_path / "tables", str(tmp_path / "tables" / "*.parquet")):
        found = find_sources(given)
        assert [Path(source.images().names[0]).name for source in found] == [
            *("0.png", "1.png", "2.png")
        ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"label": [1]}, r"no column of paths.*found: label"),
        ({"bytes": ["text"]}, r"no column of paths"),
        ({"path": pa.array([], pa.string())}, "lists no images"),
    ],
)
def test_a_table_without_images_is_refused(tmp_path: Path, rows: Any, reason: str) -> None:
    with pytest.raises(ImageSourceError, match=reason):
        find_sources(write(tmp_path / "x.parquet", rows))


def test_a_damaged_or_missing_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(ImageSourceError, match="not a readable Parquet file"):
        find_sources(tmp_path / "x.parquet")
    with pytest.raises(ImageSourceError, match="no such file"):
        find_sources(tmp_path / "gone.parquet")
    with pytest.raises(ImageSourceError, match="no images"):
        find_sources(str(tmp_path / "x") + "*.png")


def test_a_table_that_changes_after_it_was_listed_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "x.parquet", {"path": ["a.png"]})
    source = ParquetRows.find(table)
    write(tmp_path / "x.parquet", {"path": ["a.png", "b.png" * 99]})
    with pytest.raises(ImageSourceError, match="has changed"):
        source.images()


def test_images_in_memory_are_refused() -> None:
    with pytest.raises(UsageError, match="as paths"):
        find_sources([object()])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="as paths"):
        find_sources([])


def test_the_digest_is_of_the_list() -> None:
    one = listing_sha256([Paths(("a", "b"))])
    assert one == listing_sha256([Paths(("a", "b"))])
    others = [[Paths(("a", "c"))], [Paths(("b", "a"))], [Paths(("a",))], [Paths(("a",))] * 2]
    assert len({one, *map(listing_sha256, others)}) == 5
    assert listing_sha256([Paths(("\udcff.png",))]) != one
