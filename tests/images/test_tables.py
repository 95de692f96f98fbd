"""Tables that name images, of the libraries themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from twofold.errors import ImageSourceError
from twofold.images import find_images
from twofold.images.tables import column_values, is_table, table_column

MAKERS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "table": pa.table,
    "batch": pa.RecordBatch.from_pydict,
}
each_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each_kind
def test_the_column_of_paths_is_found_and_rows_are_images(
    make: Callable[[dict[str, list[Any]]], Any], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    paths = ["b.png", "a.png", "b.png", "a[1].png", str(tmp_path / "folder")]
    table = make({"image": ["x"] * 5, "Image Path": paths, "lot": [1, 1, 2, 2, 3]})
    assert is_table(table)
    assert column_values(table) is None
    # Neither a glob nor a folder stands for more than its row.
    assert find_images(table).names == tuple(paths)
    assert table_column(table, "lot") == [1, 1, 2, 2, 3]
    with pytest.raises(ImageSourceError, match=r"no column named 'part' \(found: image, Image"):
        table_column(table, "part")


@each_kind
@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_row_without_a_path_is_named(
    make: Callable[[dict[str, list[Any]]], Any], missing: str | None
) -> None:
    with pytest.raises(ImageSourceError, match="row 1: the path is blank or not text"):
        find_images(make({"path": ["a.png", missing]}))


@each_kind
def test_tables_without_paths(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    with pytest.raises(ImageSourceError, match=r"no column named 'path'.*found: lot"):
        find_images(make({"lot": [1]}))
    with pytest.raises(ImageSourceError, match="row 0: the path is blank or not text"):
        find_images(make({"path": [1]}))


def test_empty_and_lazy_tables() -> None:
    with pytest.raises(ImageSourceError, match="the pandas DataFrame: lists no images"):
        find_images(pd.DataFrame({"path": []}))
    with pytest.raises(ImageSourceError, match=r"polars LazyFrame: give its rows, as frame\.coll"):
        find_images(pl.LazyFrame({"path": ["a.png"]}))


def test_labels_of_rows_and_columns_do_not_matter() -> None:
    frame = pd.DataFrame({7: [1, 2, 3], "path": [Path("a.png"), "b.png", "c.png"]}, index=[5, 5, 0])
    assert find_images(frame[frame[7] != 2]).names == ("a.png", "c.png")


@pytest.mark.parametrize(
    "column",
    [
        *(pd.Series(["b.png", "a.png"]), pl.Series(["b.png", "a.png"])),
        *(pa.array(["b.png", "a.png"]), pa.chunked_array([["b.png"], ["a.png"]])),
    ],
    ids=["pandas", "polars", "array", "chunked"],
)
def test_columns(column: Any) -> None:
    assert not is_table(column)
    assert find_images(column).names == ("b.png", "a.png")


def test_none_of_the_libraries_is_imported() -> None:
    code = (
        "import sys; from twofold.images import find_images; find_images(['a.png']); "
        "print(sorted({'pandas', 'polars', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
