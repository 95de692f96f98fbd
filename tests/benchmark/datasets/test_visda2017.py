"""VisDA-2017: a domain and a class that share a name, and the published counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets.visda2017 import Visda2017
from twofold.errors import ImageSourceError

pytestmark = pytest.mark.filterwarnings("ignore:visda2017 :UserWarning")


def test_the_published_totals() -> None:
    totals = {domain: sum(counts.values()) for domain, counts in Visda2017.published.items()}
    assert totals == {"cad": 152397, "real": 55388}
    assert len(Visda2017.classes) == 12


@pytest.mark.parametrize(("alias", "domain"), [("train", "cad"), ("validation", "real")])
def test_the_folders_names_are_aliases(tmp_path: Path, alias: str, domain: str) -> None:
    make_tree(tmp_path, "visda2017", per_class=2, size=8)
    dataset = Visda2017(tmp_path)
    assert dataset.domain(alias) is dataset.domain(domain)
    assert dataset.domain(alias).name == domain


def test_the_class_train_is_not_the_folder_train(tmp_path: Path) -> None:
    make_tree(tmp_path, "visda2017", per_class=2, size=8)
    found = Visda2017(tmp_path).domain("cad")
    trains = [
        path for path, label in zip(found.paths, found.classes, strict=True) if label == "train"
    ]
    assert [Path(path).parent for path in trains] == [tmp_path / "train" / "train"] * 2
    assert int((found.labels("train") == 0).sum()) == 2


def test_the_folder_of_one_domain_is_not_taken_for_the_root(tmp_path: Path) -> None:
    make_tree(tmp_path, "visda2017", per_class=2, size=8)
    with pytest.raises(ImageSourceError, match="has no folder of class aeroplane, "):
        Visda2017(tmp_path / "train").domain("cad")
