"""Anyone's own images, split by their owner."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from twofold.benchmark.datasets.base import SHOT, UNLABELLED, Dataset, Domain
from twofold.benchmark.datasets.layout import images_in
from twofold.errors import ImageError, ImageSourceError
from twofold.images import find_images

__all__ = ["Folders"]


class Folders(Dataset):
    """Images of any depth in five folders, the licence their owner's.

    - ``ROOT/source/``: normal images of the source.
    - ``ROOT/target/``: the unlabelled pool.
    - ``ROOT/test/normal/`` and ``ROOT/test/anomalous/``: the test, never in the pool.
    - ``ROOT/shots/`` (optional): target images known to be normal, for few-shot methods alone.
    """

    id = "folders"
    title = "Your own folders"
    summary = "your own images: source, target, test/normal, test/anomalous and perhaps shots"
    origin = (
        "put your own images into source, target, test/normal, test/anomalous "
        "and, if you know any normals of the target, shots"
    )
    domains = ("source", "target")
    directions = (("source", "target"),)
    classes = ("normal",)
    protocol = "given"

    def _load(self, name: str) -> Domain:
        root = self._folder_given()
        parts = {"source": "normal"}
        if name == "target":
            parts = {"target": UNLABELLED, "test/normal": "normal", "test/anomalous": "anomalous"}
            if (root / "shots").is_dir():
                parts["shots"] = SHOT
        missing = [part for part in parts if not (root / part).is_dir()]
        if missing:
            raise ImageSourceError(f"{root} has no folder {', '.join(missing)}: {self.origin}")
        found = {part: images_in(root / part) for part in parts}
        if name == "target":
            _check_apart(
                [*found["target"], *found.get("shots", ())],
                [*found["test/normal"], *found["test/anomalous"]],
            )
        return Domain.of(
            name, [(path, parts[part]) for part, paths in found.items() for path in paths]
        )


def _check_apart(seen: Sequence[str], tested: Sequence[str]) -> None:
    """Refuse a test image whose content a method may see, under whatever name.

    Raises:
        ImageSourceError: naming both files.
    """
    sizes = _sizes(seen)
    tested_sizes = _sizes(tested)
    # Only files of one size can be equal, so few of a large collection are read.
    common = set(sizes.values()) & set(tested_sizes.values())
    known = {_digest(path): path for path, size in sizes.items() if size in common}
    for path, size in tested_sizes.items():
        twin = known.get(_digest(path)) if size in common else None
        if twin is not None:
            raise ImageSourceError(
                f"{path} is the same file as {twin}: a test image must not be in target or shots: "
                "remove one of the two"
            )


def _sizes(paths: Sequence[str]) -> dict[str, int]:
    # A link to nowhere has no size and no content to give away; decoding will report it.
    return {path: Path(path).stat().st_size for path in paths if os.path.exists(path)}  # noqa: PTH110


def _digest(path: str) -> str:
    """SHA-256 of the file's bytes; of an unreadable file its path, which equals no digest."""
    try:
        return find_images([path]).load(0).digest
    except ImageError:
        return path
