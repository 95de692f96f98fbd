"""A table from public ids to objects that are imported only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Generic, TypeVar, cast

from twofold.errors import ConfigError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Ids of one kind (methods, encoders, selectors) and where each is defined.

    Args:
        kind: what an entry is, in the singular; used in error messages.
        entries: id -> ``"package.module:attribute"``.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def ids(self) -> tuple[str, ...]:
        """Every known id, in the order of the table."""
        return tuple(self._entries)

    def load(self, name: str) -> T:
        """Import and return the entry called ``name``.

        Raises:
            ConfigError: no such id; the message lists those there are.
        """
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise ConfigError(f"unknown {self.kind} {name!r}: choose one of {known}")
        module, attribute = self._entries[name].split(":")
        return cast(T, getattr(import_module(module), attribute))

    def add(self, name: str, location: str) -> None:
        """Add one line to the table (a plug-in's or a test's).

        Raises:
            ConfigError: the id is taken.
        """
        if name in self._entries:
            raise ConfigError(f"{self.kind} {name!r} is already registered")
        self._entries[name] = location

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Forget at the end of a ``with`` block what was added inside it."""
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before
