"""What every dataset adapter offers: domains, each a list of image files with their classes."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.protocol import KNOWN_NORMAL, UNKNOWN
from twofold.errors import ConfigError, ImageSourceError

__all__ = ["SHOT", "UNLABELLED", "Dataset", "Domain"]

UNLABELLED = ""
"""The class of an image whose class nobody knows."""
SHOT = "shot"
"""The class of a target image its owner gives as a known normal."""


@dataclass(frozen=True)
class Domain:
    """The images of one place.

    Attributes:
        name: of the domain.
        paths: image files, sorted.
        classes: str (n,), read-only: the class of each image, ``UNLABELLED`` or ``SHOT``.
    """

    name: str
    paths: tuple[str, ...]
    classes: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.classes.shape != (len(self.paths),):
            raise ValueError(f"{len(self.paths)} images with classes {self.classes.shape}")

    @classmethod
    def of(cls, name: str, images: Iterable[tuple[str, str]]) -> Domain:
        """Build a domain from (path, class) pairs in any order."""
        # By folder: the separator of paths does not sort alike on every system.
        pairs = sorted(images, key=lambda pair: Path(pair[0]).parts)
        classes = np.array([label for _, label in pairs], dtype=np.str_)
        classes.flags.writeable = False
        return cls(name, tuple(path for path, _ in pairs), classes)

    def labels(self, normal: str) -> NDArray[np.int64]:
        """One-vs-all labels, int64 (n,), as the protocols take them.

        Args:
            normal: the class that is normal.

        Returns:
            0 = of class ``normal``, 1 = of another class, -1 = unlabelled, -2 = a shot.

        Raises:
            ConfigError: no image here is of that class; the message lists those there are.
        """
        known = sorted({str(label) for label in self.classes} - {UNLABELLED, SHOT})
        if normal not in known:
            raise ConfigError(
                f"domain {self.name} has no class {normal!r}: choose one of {', '.join(known)}"
            )
        labels: NDArray[np.int64] = (self.classes != normal).astype(np.int64)
        labels[self.classes == UNLABELLED] = UNKNOWN
        labels[self.classes == SHOT] = KNOWN_NORMAL
        return labels


class Dataset(ABC):
    """An adapter. Subclasses set the class attributes and write ``_load``.

    Args:
        root: folder with the images; None where they come with a package.

    Raises:
        ConfigError: ``root`` is missing, or given though there is none.

    Attributes:
        id: public name.
        title: what people call it.
        summary: one line for people.
        origin: one line on where to get it, with the URL of its official page.
        domains: names of the domains.
        aliases: other name of a domain -> its name.
        directions: the (source, target) pairs of the benchmark.
        classes: each is the normal class once, one-vs-all.
        protocol: id of the protocol to use unless told otherwise.
        needs_root: whether ``root`` must be given.
        published: domain -> class -> number of images; empty if there is none to compare with.
        notes: what a reader of results should know about this copy, such as other counts than
            the published ones; grows as domains are read.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    origin: ClassVar[str]
    domains: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]] = {}
    directions: ClassVar[tuple[tuple[str, str], ...]]
    classes: ClassVar[tuple[str, ...]]
    protocol: ClassVar[str] = "uda_inductive"
    needs_root: ClassVar[bool] = True
    published: ClassVar[Mapping[str, Mapping[str, int]]] = {}

    def __init__(self, root: Path | None = None) -> None:
        if self.needs_root and root is None:
            raise ConfigError(f"dataset {self.id} needs --root DIR: {self.origin}")
        if not self.needs_root and root is not None:
            raise ConfigError(f"dataset {self.id} has no folder: leave out --root {root}")
        self.root = None if root is None else Path(root)
        self.notes: list[str] = []
        self._known: dict[str, Domain] = {}

    def domain(self, name: str) -> Domain:
        """The images of one domain; read once, then remembered. Nothing is decoded.

        Warns:
            UserWarning: the counts are not the published ones; also kept in ``notes``.

        Raises:
            ConfigError: no such domain; the message lists those there are.
            ImageSourceError: a folder, a class or a file is missing.
        """
        name = self.aliases.get(name, name)
        if name not in self.domains:
            known = ", ".join(self.domains)
            raise ConfigError(f"dataset {self.id} has no domain {name!r}: choose one of {known}")
        if name not in self._known:
            self._known[name] = self._load(name)
            self._compare(self._known[name])
        return self._known[name]

    @abstractmethod
    def _load(self, name: str) -> Domain:
        """Read the domain called ``name``, one of ``domains``."""

    def _folder_given(self) -> Path:
        """``root``, which must be a folder."""
        if self.root is None or not self.root.is_dir():
            raise ImageSourceError(f"no such folder: {self.root}: {self.origin}")
        return self.root

    def _compare(self, domain: Domain) -> None:
        counts = Counter(map(str, domain.classes))
        published = self.published.get(domain.name, counts)
        odd = [
            f"{label} {counts[label]} not {n}"
            for label, n in published.items()
            if counts[label] != n
        ]
        if odd:
            # A cleaned copy is still of use, but its figures compare with no published one.
            note = (
                f"{self.id} {domain.name}: {len(domain.paths)} images, "
                f"not the published {sum(published.values())} ({', '.join(odd)})"
            )
            self.notes.append(note)
            warnings.warn(note, UserWarning, stacklevel=3)
