"""PACS: animals, things and people in photographs, paintings, cartoons and sketches.

Li et al., Deeper, Broader and Artier Domain Generalization, ICCV 2017; the terms of use are those
of the page in ``origin``.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar

from twofold.benchmark.datasets.base import Domain
from twofold.benchmark.datasets.layout import ClassFolders, child_folder, counts_by_domain
from twofold.errors import ImageSourceError

__all__ = ["Pacs"]

_DOMAINS = ("photo", "art_painting", "cartoon", "sketch")
# In the order of the list files, which number the classes from 1.
_COUNTS = {
    "dog": (189, 379, 389, 772),
    "elephant": (202, 255, 457, 740),
    "giraffe": (182, 285, 346, 753),
    "guitar": (186, 184, 135, 608),
    "horse": (199, 201, 324, 816),
    "house": (280, 295, 288, 80),
    "person": (432, 449, 405, 160),
}
_LISTS_IN = (".", "kfold", "files", "pacs_label")


class Pacs(ClassFolders):
    """``ROOT/DOMAIN/CLASS/*``, also inside ``kfold`` or ``pacs_data``.

    Where the released lists ``DOMAIN_{train,crossval,test}_kfold.txt`` are there (in ROOT, or in
    ``kfold``, ``files`` or ``pacs_label`` below it), they say which files belong to the domain.
    """

    id = "pacs"
    title = "PACS"
    summary = "photographs to paintings, cartoons and sketches, seven classes"
    origin = "download it from https://dali-dl.github.io/project_iccv2017.html"
    domains = _DOMAINS
    aliases: ClassVar = {"art": "art_painting"}
    directions = (("photo", "art_painting"), ("photo", "cartoon"), ("photo", "sketch"))
    classes = tuple(_COUNTS)
    published = counts_by_domain(_DOMAINS, _COUNTS)
    outer = ("kfold", "pacs_data")

    def _load(self, name: str) -> Domain:
        lists = self._lists(name)
        if not lists:
            return super()._load(name)
        listed = {image for file in lists for image in self._read_list(file, name)}
        shown = ", ".join(map(str, lists))
        absent = sorted(set(self.classes) - {label for label, _ in listed})
        if absent:
            raise ImageSourceError(f"{shown}: no image of class {', '.join(absent)}: {self.origin}")
        folder = self._domain_folder(name)
        places = {label: child_folder(folder, label) or folder / label for label in self.classes}
        images = [(places[label] / file, label) for label, file in listed]
        missing = sorted(path for path, _ in images if not path.is_file())
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ImageSourceError(f"{shown}: no such file: {missing[0]}{more}: {self.origin}")
        return Domain.of(name, [(str(path), label) for path, label in images])

    def _lists(self, name: str) -> list[Path]:
        """The domain's list files, from the first folder that has any; [] if there are none.

        The test list names every image; train and crossval do so together.
        """
        for place in _LISTS_IN:
            files = {
                part: self._folder_given() / place / f"{name}_{part}_kfold.txt"
                for part in ("train", "crossval", "test")
            }
            there = [part for part, file in files.items() if file.is_file()]
            if there and "test" not in there and len(there) < 2:
                other = next(part for part in ("train", "crossval") if part not in there)
                raise ImageSourceError(
                    f"{files[there[0]]} lists a part of the domain, and {files[other].name} is "
                    f"missing: add it, or remove this list: {self.origin}"
                )
            if there:
                return [files[part] for part in there]
        return []

    def _read_list(self, file: Path, name: str) -> list[tuple[str, str]]:
        """(class, file name) of each line ``DOMAIN/CLASS/FILE NUMBER``."""
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ImageSourceError(f"cannot read {file}: {error}") from error
        numbers = {label: str(number) for number, label in enumerate(self.classes, start=1)}
        images: list[tuple[str, str]] = []
        for at, line in enumerate(map(str.strip, lines), start=1):
            if not line:
                continue
            path, _, number = line.rpartition(" ")
            parts = PurePosixPath(path).parts
            whole = len(parts) == 3 and parts[0] == name and parts[2] != ".."
            if not whole or numbers.get(parts[1]) != number:
                raise ImageSourceError(
                    f"{file} line {at}: {line!r} is not '{name}/CLASS/FILE NUMBER' "
                    f"with a class and its number, 1 to {len(self.classes)}"
                )
            images.append((parts[1], parts[2]))
        return images
