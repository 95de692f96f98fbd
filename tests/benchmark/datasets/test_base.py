"""What all adapters share: domains, labels, notes, and the table of them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from twofold.benchmark.datasets import DATASETS, SHOT, UNLABELLED, Dataset, Domain
from twofold.benchmark.protocol import PROTOCOLS
from twofold.errors import ConfigError, ImageSourceError

IDS = ("office31", "officehome", "visda2017", "pacs", "pcb", "elpv", "folders")


class Two(Dataset):
    """Two domains in memory."""

    id = "two"
    origin = "nowhere to be had"
    domains = ("here", "there")
    aliases: ClassVar = {"yonder": "there"}
    classes = ("a", "b")
    needs_root = False
    published: ClassVar = {"here": {"a": 2, "b": 1}, "there": {"a": 2, "b": 2}}
    reads = 0

    def _load(self, name: str) -> Domain:
        self.reads += 1
        return Domain.of(name, [("z", "a"), ("y", "b"), ("x", "a")])


def test_the_table_of_adapters() -> None:
    assert DATASETS.ids() == IDS


@pytest.mark.parametrize("name", IDS)
def test_every_adapter_is_whole(name: str) -> None:
    adapter = DATASETS.load(name)
    assert adapter.id == name
    for text in (adapter.title, adapter.summary, adapter.origin):
        assert text
        assert "\n" not in text
    assert name == "folders" or "https://" in adapter.origin or "http://" in adapter.origin
    assert adapter.protocol in PROTOCOLS
    assert {domain for pair in adapter.directions for domain in pair} <= set(adapter.domains)
    assert set(adapter.aliases.values()) <= set(adapter.domains)
    assert set(adapter.published) in (set(), set(adapter.domains))
    assert all(set(counts) == set(adapter.classes) for counts in adapter.published.values())


def test_adapters_are_listed_without_importing_torch() -> None:
    code = (
        "import sys; from twofold.benchmark.datasets import DATASETS; "
        "[DATASETS.load(name) for name in DATASETS.ids()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", [name for name in IDS if name != "elpv"])
def test_a_missing_root_says_what_to_do(name: str) -> None:
    adapter = DATASETS.load(name)
    with pytest.raises(ConfigError, match=f"dataset {name} needs --root DIR: ") as caught:
        adapter()
    assert adapter.origin in str(caught.value)


def test_a_root_for_a_dataset_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave out --root"):
        Two(tmp_path)


@pytest.mark.parametrize("name", [name for name in IDS if name != "elpv"])
def test_a_root_that_is_not_there(tmp_path: Path, name: str) -> None:
    dataset = DATASETS.load(name)(tmp_path / "nowhere")
    with pytest.raises(ImageSourceError, match=r"no such folder: .*nowhere: "):
        dataset.domain(dataset.domains[0])


@pytest.mark.parametrize("name", IDS)
def test_an_unknown_domain_lists_those_there_are(tmp_path: Path, name: str) -> None:
    adapter = DATASETS.load(name)
    dataset = adapter(tmp_path if adapter.needs_root else None)
    with pytest.raises(ConfigError, match=", ".join(adapter.domains)):
        dataset.domain("moon")


def test_a_domain_is_sorted_and_keeps_classes_with_their_images() -> None:
    domain = Two().domain("here")
    assert domain.paths == ("x", "y", "z")
    assert list(domain.classes) == ["a", "b", "a"]
    with pytest.raises(ValueError, match="read-only"):
        domain.classes[0] = "b"


def test_a_domain_is_read_once_and_an_alias_is_the_same_domain() -> None:
    dataset = Two()
    with pytest.warns(UserWarning, match="two there"):
        first = dataset.domain("yonder")
    assert first.name == "there"
    assert dataset.domain("there") is first
    assert dataset.reads == 1


def test_counts_as_published_leave_no_note() -> None:
    dataset = Two()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset.domain("here")
    assert dataset.notes == []


def test_other_counts_are_warned_of_and_noted() -> None:
    dataset = Two()
    expected = r"two there: 3 images, not the published 4 \(b 1 not 2\)"
    with pytest.warns(UserWarning, match=expected) as caught:
        dataset.domain("there")
    assert caught[0].filename == __file__
    assert dataset.notes == [str(caught[0].message)]
    dataset.domain("there")
    assert len(dataset.notes) == 1


def test_labels_are_one_against_all() -> None:
    classes = ["a", "b", UNLABELLED, "c", SHOT, "a"]
    domain = Domain.of("d", [(str(place), label) for place, label in enumerate(classes)])
    labels = domain.labels("a")
    assert labels.dtype == np.int64
    assert list(labels) == [0, 1, -1, 1, -2, 0]
    assert list(domain.labels("c")) == [1, 1, -1, 0, -2, 1]


@pytest.mark.parametrize("normal", ["z", UNLABELLED, SHOT])
def test_an_unknown_normal_class_lists_those_there_are(normal: str) -> None:
    domain = Domain.of("d", [("1", "b"), ("2", "a"), ("3", UNLABELLED), ("4", SHOT)])
    with pytest.raises(ConfigError, match=r"domain d .*choose one of a, b$"):
        domain.labels(normal)


def test_a_class_for_each_image_is_demanded() -> None:
    with pytest.raises(ValueError, match="2 images"):
        Domain("d", ("x", "y"), np.array(["a"]))
