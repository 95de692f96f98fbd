"""Office-31: its layouts and its published counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets.office31 import Office31

pytestmark = pytest.mark.filterwarnings("ignore:office31 :UserWarning")


def test_the_published_totals() -> None:
    totals = {domain: sum(counts.values()) for domain, counts in Office31.published.items()}
    assert totals == {"amazon": 892, "webcam": 261}
    assert len(Office31.classes) == 10


def test_the_layout_without_images_folders(tmp_path: Path) -> None:
    make_tree(tmp_path / "released", "office31", per_class=2, size=8)
    for domain in ("amazon", "webcam"):
        (tmp_path / "released" / domain / "images").rename(tmp_path / domain)
        assert len(Office31(tmp_path).domain(domain).paths) == 20


@pytest.mark.parametrize("spelling", ["Amazon", "AMAZON"])
def test_the_archives_outer_folder_and_another_spelling(tmp_path: Path, spelling: str) -> None:
    outer = make_tree(tmp_path / "domain_adaptation_images", "office31", per_class=2, size=8)
    (outer / "amazon").rename(outer / spelling)
    found = Office31(tmp_path).domain("amazon")
    assert len(found.paths) == 20
    assert Path(found.paths[0]).is_relative_to(outer / spelling / "images")


def test_classes_of_the_benchmark_alone_are_read(tmp_path: Path) -> None:
    make_tree(tmp_path, "office31", per_class=2, size=8)
    images = tmp_path / "amazon" / "images"
    (images / "bike").mkdir()
    (images / "bike" / "frame_0001.jpg").write_bytes(b"x")
    assert "bike" not in Office31(tmp_path).domain("amazon").classes
