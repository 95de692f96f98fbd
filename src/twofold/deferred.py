"""Libraries that are imported when something of them is first used, not before.

PyTorch takes seconds to import, SciPy's statistics one; scoring with a saved model needs neither.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["deferred"]


class _Deferred(ModuleType):
    """Stands for a module; its first attribute that is asked for imports it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def deferred(name: str) -> Any:
    """A module that is imported when it is first used.

    Args:
        name: e.g. ``scipy.stats``. Type checkers see the module itself if it is imported in an
            ``if TYPE_CHECKING`` beside the ``else`` that calls this.

    Raises:
        ImportError: at the first use, where there is no such module.
    """
    return _Deferred(name)
