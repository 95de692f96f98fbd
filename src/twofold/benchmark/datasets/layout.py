"""Trees of class folders: ROOT/DOMAIN/CLASS/*."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from twofold.benchmark.datasets.base import Dataset, Domain
from twofold.errors import ImageSourceError
from twofold.images import find_images

__all__ = ["ClassFolders", "child_folder", "counts_by_domain", "images_in", "read_class_folders"]


class ClassFolders(Dataset):
    """A dataset whose domains are trees of class folders.

    A domain's folder has the domain's name or an alias of it, in upper or lower case.

    Attributes:
        outer: folders of the released archive that the domains may lie in, below ``root``.
        inner: folder that the classes may lie in, below the domain's.
    """

    outer: ClassVar[tuple[str, ...]] = ()
    inner: ClassVar[str | None] = None

    def _load(self, name: str) -> Domain:
        return read_class_folders(name, self._domain_folder(name), self.classes, self.origin)

    def _domain_folder(self, name: str) -> Path:
        """The folder that holds the class folders of a domain."""
        root = self._folder_given()
        names = (name, *(other for other, domain in self.aliases.items() if domain == name))
        for place in (root, *(root / outer for outer in self.outer)):
            found = child_folder(place, *names)
            if found is not None:
                inner = child_folder(found, self.inner) if self.inner else None
                return inner or found
        below = "".join(f" or in {outer}" for outer in self.outer)
        raise ImageSourceError(
            f"{root} has no folder {' or '.join(names)} in it{below}: {self.origin}"
        )


def child_folder(folder: Path, *names: str) -> Path | None:
    """The folder directly inside ``folder`` with one of these names, the first that is there.

    The case of letters does not matter, but a folder spelt exactly so is preferred. None if there
    is no such folder, or no ``folder``.

    Raises:
        ImageSourceError: ``folder`` cannot be read.
    """
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    if not folder.is_dir():
        return None
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise ImageSourceError(f"cannot read folder {folder}: {error.strerror}") from error
    for name in names:
        for path in inside:
            if path.name.lower() == name.lower():
                return path
    return None


def images_in(folder: Path) -> tuple[str, ...]:
    """Paths of the image files in a folder, at any depth, sorted; hidden ones are left out.

    Raises:
        ImageSourceError: there is none, the folder cannot be read, or a name is no text.
    """
    paths = find_images(folder).names
    for path in paths:
        # A name that is not valid text is shown with escapes, and no file has that name.
        if "\\" in path and not os.path.lexists(path):
            raise ImageSourceError(f"{path}: the name is not valid text: rename the file")
    return paths


def read_class_folders(name: str, folder: Path, classes: Sequence[str], origin: str) -> Domain:
    """Read the images of ``classes``, each in its folder; other folders are not looked at.

    Args:
        name: of the domain.
        folder: the class folders lie in it.
        classes: names of the classes and their folders; case does not matter in the latter.
        origin: where to get the images; ends the messages.

    Raises:
        ImageSourceError: a class has no folder or no image; the message names all such classes.
    """
    found = {label: child_folder(folder, label) for label in classes}
    missing = [label for label, path in found.items() if path is None]
    if missing:
        raise ImageSourceError(f"{folder} has no folder of class {', '.join(missing)}: {origin}")
    images: list[tuple[str, str]] = []
    empty: dict[str, ImageSourceError] = {}
    for label, path in found.items():
        assert path is not None
        try:
            images += [(image, label) for image in images_in(path)]
        except ImageSourceError as error:
            empty[label] = error
    if empty:
        first = next(iter(empty.values()))
        raise ImageSourceError(
            f"no image of class {', '.join(empty)}: {first}: {origin}"
        ) from first
    return Domain.of(name, images)


def counts_by_domain(
    domains: Sequence[str], rows: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, int]]:
    """Turn a table of class -> number in each domain into domain -> class -> number."""
    return {
        domain: {label: numbers[column] for label, numbers in rows.items()}
        for column, domain in enumerate(domains)
    }
