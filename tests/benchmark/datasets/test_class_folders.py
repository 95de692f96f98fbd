"""What the four adapters of released image trees share, on small trees of their layout."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.trees import LAYOUTS, make_tree

from twofold.benchmark.datasets import DATASETS, Dataset, Domain
from twofold.benchmark.protocol import uda_inductive
from twofold.errors import ImageSourceError

PER_CLASS = 3
EACH = [(name, domain) for name, domains in LAYOUTS.items() for domain in domains]
each_domain = pytest.mark.parametrize(("name", "domain"), EACH)


def read(dataset: Dataset, domain: str) -> Domain:
    """A domain of a generated tree, whose counts are none that was ever published."""
    with pytest.warns(UserWarning, match="not the published"):
        return dataset.domain(domain)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trees")
    for name in LAYOUTS:
        make_tree(root / name, name, per_class=PER_CLASS, size=16)
    return root


@pytest.fixture
def trees(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "trees"))


@each_domain
def test_every_image_is_found_with_its_class(made: Path, name: str, domain: str) -> None:
    dataset = DATASETS.load(name)(made / name)
    found = read(dataset, domain)
    assert found.name == domain
    assert Counter(map(str, found.classes)) == dict.fromkeys(dataset.classes, PER_CLASS)
    assert list(found.paths) == sorted(found.paths)
    folder = LAYOUTS[name][domain][0]
    for path, label in zip(found.paths, found.classes, strict=True):
        assert Path(path).parent == made / name / folder / label
        assert Path(path).is_file()


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_every_class_of_every_direction_makes_a_split(made: Path, name: str) -> None:
    dataset = DATASETS.load(name)(made / name)
    for source, target in dataset.directions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            here, there = dataset.domain(source), dataset.domain(target)
        for normal in dataset.classes:
            assert int((here.labels(normal) == 0).sum()) == PER_CLASS
            split = uda_inductive(there.labels(normal), n_shots=0)
            assert len(split.pool) + len(split.test) == len(there.paths)


@each_domain
def test_a_missing_domain_is_named(trees: Path, name: str, domain: str) -> None:
    dataset = DATASETS.load(name)(trees / name)
    shutil.rmtree(trees / name / Path(LAYOUTS[name][domain][0]).parts[0])
    with pytest.raises(ImageSourceError, match=f"has no folder {domain}") as caught:
        dataset.domain(domain)
    assert str(trees / name) in str(caught.value)
    assert dataset.origin in str(caught.value)


@each_domain
def test_a_missing_class_is_named(trees: Path, name: str, domain: str) -> None:
    dataset = DATASETS.load(name)(trees / name)
    gone = dataset.classes[-1]
    folder = trees / name / LAYOUTS[name][domain][0]
    shutil.rmtree(folder / gone)
    with pytest.raises(ImageSourceError) as caught:
        dataset.domain(domain)
    assert str(caught.value) == f"{folder} has no folder of class {gone}: {dataset.origin}"


@each_domain
def test_an_empty_class_is_named(trees: Path, name: str, domain: str) -> None:
    dataset = DATASETS.load(name)(trees / name)
    bare = trees / name / LAYOUTS[name][domain][0] / dataset.classes[0]
    for path in bare.iterdir():
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(ImageSourceError, match=f"no image of class {bare.name}: ") as caught:
        dataset.domain(domain)
    assert str(bare) in str(caught.value)


@each_domain
def test_other_counts_than_published_are_noted(made: Path, name: str, domain: str) -> None:
    dataset = DATASETS.load(name)(made / name)
    read(dataset, domain)
    (note,) = dataset.notes
    published = dataset.published[domain]
    assert f"not the published {sum(published.values())} " in note
    assert f"{dataset.classes[0]} {PER_CLASS} not {published[dataset.classes[0]]}" in note


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_the_pictures_tell_classes_and_domains_apart(made: Path, name: str) -> None:
    dataset = DATASETS.load(name)(made / name)

    def colours(domain: str, normal: str) -> np.ndarray:
        found = read(DATASETS.load(name)(made / name), domain)
        images = [
            Image.open(p) for p, c in zip(found.paths, found.classes, strict=True) if c == normal
        ]
        return np.stack([np.asarray(image, dtype=float).mean(axis=(0, 1)) for image in images])

    first, second = dataset.domains[:2]
    a, b, elsewhere = (
        colours(first, dataset.classes[0]),
        colours(first, dataset.classes[4]),
        colours(second, dataset.classes[0]),
    )
    spread = max(np.ptp(group, axis=0).max() for group in (a, b, elsewhere))
    assert np.abs(a.mean(0) - b.mean(0)).max() > spread / 2
    assert np.abs(a.mean(0) - elsewhere.mean(0)).max() > spread / 2
