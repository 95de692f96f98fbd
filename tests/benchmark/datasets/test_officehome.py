"""Office-Home: its layouts and its published counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets.officehome import OfficeHome

pytestmark = pytest.mark.filterwarnings("ignore:officehome :UserWarning")


def test_the_published_totals() -> None:
    totals = {domain: sum(counts.values()) for domain, counts in OfficeHome.published.items()}
    assert totals == {"clipart": 636, "product": 621}
    assert len(OfficeHome.classes) == 10


def test_the_archives_outer_folder(tmp_path: Path) -> None:
    outer = make_tree(tmp_path / "OfficeHomeDataset_10072016", "officehome", per_class=2, size=8)
    found = OfficeHome(tmp_path).domain("product")
    assert len(found.paths) == 20
    assert Path(found.paths[0]).is_relative_to(outer / "Product")


def test_folders_in_lower_case(tmp_path: Path) -> None:
    make_tree(tmp_path, "officehome", per_class=2, size=8)
    (tmp_path / "Clipart").rename(tmp_path / "clipart")
    (tmp_path / "clipart" / "Paper_Clip").rename(tmp_path / "clipart" / "paper_clip")
    classes = OfficeHome(tmp_path).domain("clipart").classes
    assert sorted(set(classes)) == sorted(OfficeHome.classes)
