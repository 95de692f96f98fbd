"""The solar cells: counts, labels, and what happens when the package is not as published."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from twofold.benchmark import elpv
from twofold.errors import ConfigError, ImageSourceError, MissingExtraError

COUNTS = {"mono": (588, 313), "poly": (920, 402)}


@pytest.fixture
def altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of a package that stands in for the real one."""
    spec = ModuleSpec("elpv_dataset", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(elpv, "find_spec", lambda name: spec)
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "labels.csv"


@pytest.mark.parametrize("domain", elpv.DOMAINS)
def test_cells_are_those_their_annotators_were_sure_of(domain: str) -> None:
    pytest.importorskip("elpv_dataset")
    cells = elpv.load_cells(domain)
    assert tuple(np.bincount(cells.labels)) == COUNTS[domain]
    assert len(set(cells.paths)) == len(cells.paths) == len(cells.labels)
    assert all(Path(path).is_file() for path in cells.paths)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elpv, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[demo\]'"):
        elpv.load_cells("mono")


def test_a_missing_table_is_named(altered: Path) -> None:
    with pytest.raises(ImageSourceError, match=r"labels\.csv is missing"):
        elpv.load_cells("mono")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has"),
        ("images/cell0001.png 1.0 mono\n", r"\(0, 1\)"),
        ("images/cell0001.png often mono\n", "not the published table"),
        ("images/cell0001.png\n", "not the published table"),
    ],
)
def test_an_altered_table_is_refused(altered: Path, text: str, reason: str) -> None:
    altered.write_text(text, encoding="utf-8")
    with pytest.raises(ImageSourceError, match=reason):
        elpv.load_cells("mono")


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(ConfigError, match="mono, poly"):
        elpv.load_cells("thin")
