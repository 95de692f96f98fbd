"""Libraries that are imported when something of them is first used, not before.

PyTorch takes seconds to import, SciPy's statistics one; scoring with a saved model needs neither.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread
from types import ModuleType
from typing import Any

from twofold.errors import MissingExtraError

__all__ = ["deferred", "importing", "installed_version", "not_installed"]


class _Deferred(ModuleType):
    """Stands for a module; its first attribute that is asked for imports it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_imported(self.__name__), name)


def _imported(name: str) -> ModuleType:
    loaded = name in sys.modules
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:  # a module of ours, or one that a library misses
            raise
        raise not_installed(error.name) from error
    if not loaded:
        _limit_loaded()
    return module


def _limit_loaded() -> None:
    from twofold.threads import limit_loaded  # noqa: PLC0415 - more than `--help` needs

    limit_loaded()


@contextmanager
def importing(*names: str) -> Iterator[None]:
    """Import modules in a thread while the context waits for files and networks.

    It ends once they are imported. A library that is missing is no error here, but where it is
    used.

    Args:
        names: e.g. ``sklearn.cluster``.
    """

    def work() -> None:
        for name in names:
            with suppress(ImportError):
                import_module(name)

    beside = Thread(target=work, name="imports")
    beside.start()
    try:
        yield
    finally:
        beside.join()
        _limit_loaded()


def not_installed(library: str) -> MissingExtraError:
    """What to say where a library of the whole package is missing."""
    return MissingExtraError(
        f"{library} is not installed: scores of an exported model do without it; for this install "
        "it, or the whole package (pip install twofold)"
    )


def deferred(name: str) -> Any:
    """A module that is imported when it is first used.

    Args:
        name: e.g. ``scipy.stats``. Type checkers see the module itself if it is imported in an
            ``if TYPE_CHECKING`` beside the ``else`` that calls this.

    Raises:
        MissingExtraError: at the first use, where there is no such library.
    """
    return _Deferred(name)


def installed_version(distribution: str) -> str | None:
    """Of a distribution, without importing it; None where it is not installed."""
    from importlib import metadata  # noqa: PLC0415 - slow to import, and seldom asked for

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
