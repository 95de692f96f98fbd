"""Installed size, compared with made-up distributions whose files are counted by hand."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest
from peers.size import installed_bytes, installed_megabytes, needed


def install(folder: Path, name: str, requires: tuple[str, ...], files: dict[str, int]) -> None:
    """Lay out what an installer leaves: files, and a record that lists them."""
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", "Provides-Extra: more"]
    lines += [f"Requires-Dist: {text}" for text in requires]
    (about / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file, size in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"x" * size)
    listed = [*files, f"{about.name}/METADATA", "gone.py"]
    record = "".join(f"{file},,\n" for file in listed)
    (about / "RECORD").write_text(record, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up distributions where this interpreter finds them."""
    monkeypatch.syspath_prepend(tmp_path)
    requires = (
        "made-up-part>=1",
        "made-up-missing",
        'made-up-extra; extra == "more"',
        'made-up-other; python_version < "3"',
    )
    install(tmp_path, "made-up", requires, {"made/a.py": 1000})
    install(tmp_path, "made-up-part", ("Made_Up",), {"part/a.py": 200, "made/a.py": 1000})
    install(tmp_path, "made-up-extra", (), {"extra/a.py": 30})
    install(tmp_path, "made-up-other", (), {"other/a.py": 5})
    install(tmp_path, "nvidia-made-up", (), {"nvidia/a.so": 4_000_000})
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["made-up"], {"made-up", "made-up-part"}),
        (["made-up[more]"], {"made-up", "made-up-part", "made-up-extra"}),
        (["made-up", "Made.Up[more]"], {"made-up", "made-up-part", "made-up-extra"}),
        (["made-up-extra", "made-up-missing"], {"made-up-extra"}),
    ],
)
def test_what_is_required_is_followed(names: list[str], wanted: set[str]) -> None:
    assert set(needed(names)) == wanted


def test_each_file_counts_once_and_missing_ones_do_not(folder: Path) -> None:
    names = ("made-up", "made-up-part")
    about = (folder / f"{name.replace('-', '_')}-1.0.dist-info" / "METADATA" for name in names)
    listed = sum(path.stat().st_size for path in about)
    assert installed_bytes(map(distribution, names)) == 1200 + listed


@pytest.mark.usefixtures("folder")
def test_cuda_is_told_apart() -> None:
    total, rest = installed_megabytes(["made-up-extra", "nvidia-made-up"])
    assert total - rest == pytest.approx(4.0, abs=0.001)
    assert 0 < rest < 0.001


def test_a_real_distribution_has_about_the_size_of_its_folder() -> None:
    import packaging

    folder = Path(packaging.__file__).parent
    lying = sum(path.stat().st_size for path in folder.rglob("*.py"))
    assert lying <= installed_bytes([distribution("packaging")]) < 4 * lying + 200_000
