"""Files into results."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.bad_files import write_bad_files
from tests.watch.cases import Stub, as_detector, write

from twofold.detector import Scores
from twofold.errors import ConfigError, WeightsError
from twofold.images import ImageSet
from twofold.watch import judging
from twofold.watch.judging import judge
from twofold.watch.schema import RESULT_FIELDS
from twofold.watch.versions import Version, find_version


def versions(folder: Path, *names: str) -> list[Version]:
    found = [find_version(str(folder), name) for name in names]
    assert all(isinstance(one, Version) for one in found)
    return [one for one in found if isinstance(one, Version)]


def test_rows_and_folders_of_good_and_bad_files(tmp_path: Path) -> None:
    write(tmp_path, "dark.png", 50)
    write(tmp_path, "a[1].png", 200)
    (tmp_path / "text.png").write_bytes(b"no image")
    given = versions(tmp_path, "dark.png", "a[1].png", "text.png")
    found = judge(as_detector(Stub()), tmp_path, given)
    assert (found.gone, found.changed) == ([], [])
    assert [one.version for one in found.results] == given
    assert [one.verdict for one in found.results] == ["ok", "ng", "bad"]
    for one in found.results:
        assert list(one.row) == list(RESULT_FIELDS)
        assert one.row["image"] == str(tmp_path / one.version.path)
        assert (one.row["size"], one.row["mtime_ns"]) == (one.version.size, one.version.mtime_ns)
        assert one.row["time"].endswith("Z")
    assert [one.row["anomalous"] for one in found.results] == [0, 1, None]
    assert "not an image" in found.results[2].row["problem"]


def test_each_kind_of_bad_file_becomes_a_row(tmp_path: Path) -> None:
    words = write_bad_files(tmp_path)
    del words["dangling.png"]  # a link: left out by the scan
    found = judge(as_detector(Stub()), tmp_path, versions(tmp_path, *words))
    assert [one.verdict for one in found.results] == ["bad"] * len(words)
    for (name, word), one in zip(words.items(), found.results, strict=True):
        assert word in one.row["problem"], name


class Busy(Stub):
    """While it looks, something happens to the files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def follow(self, images: ImageSet) -> tuple[Scores, NDArray[np.float64]]:
        (self.folder / "early.png").unlink()
        found = super().follow(images)
        (self.folder / "late.png").unlink()
        with (self.folder / "grows.png").open("ab") as stream:
            stream.write(b"more")
        os.utime(self.folder / "touched.png", ns=(1, 1))
        return found


def test_a_result_counts_for_a_file_that_was_the_same_before_and_after(tmp_path: Path) -> None:
    names = ("early.png", "late.png", "grows.png", "touched.png", "same.png")
    for name in names:
        write(tmp_path, name)
    found = judge(as_detector(Busy(tmp_path)), tmp_path, versions(tmp_path, *names))
    assert [one.path for one in found.gone] == ["early.png"]
    assert [one.path for one in found.changed] == ["grows.png", "touched.png"]
    # It was there when it was read, and has its score.
    assert [one.version.path for one in found.results] == ["late.png", "same.png"]


def test_files_of_a_folder_that_is_away_are_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.png")
    given = versions(tmp_path, "a.png")

    def away(*args: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(judging, "find_version", away)
    found = judge(as_detector(Stub()), tmp_path, given)
    assert (found.results, found.gone, found.changed) == ([], [], given)


class Picky(Stub):
    """An image of another size than its mask stops the whole batch."""

    def follow(self, images: ImageSet) -> tuple[Scores, NDArray[np.float64]]:
        wrong = [name for name in images.names if "wrong" in name]
        if wrong:
            raise ConfigError(f"{wrong[0]}: the mask has another size")
        return super().follow(images)


def test_an_image_that_stops_the_others_goes_alone(tmp_path: Path) -> None:
    names = ("a.png", "wrong.png", "b.png")
    for name in names:
        write(tmp_path, name)
    found = judge(as_detector(Picky()), tmp_path, versions(tmp_path, *names))
    problems = [one.row["problem"] for one in found.results]
    assert problems[::2] == [None, None]
    assert problems[1] == f"{tmp_path / 'wrong.png'}: the mask has another size"


class Broken(Stub):
    def follow(self, images: ImageSet) -> tuple[Scores, NDArray[np.float64]]:
        raise WeightsError("the weights are gone")


def test_what_is_not_because_of_an_image_is_no_row(tmp_path: Path) -> None:
    """Otherwise every file would be called unusable, and moved."""
    write(tmp_path, "a.png")
    with pytest.raises(WeightsError):
        judge(as_detector(Broken()), tmp_path, versions(tmp_path, "a.png"))
