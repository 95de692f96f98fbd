"""The named errors of the library.

Every failure a user can meet is one of these, with a message of one line that names the file or
option at fault and what to do about it. The command line prints that line and nothing more.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CollapseError",
    "ConfigError",
    "ExportError",
    "ImageError",
    "ImageSourceError",
    "MissingExtraError",
    "NotEnoughImagesError",
    "NotFittedError",
    "RemoteError",
    "TrackingError",
    "TwofoldError",
    "UsageError",
    "WeightsError",
    "on_one_line",
    "shown",
]

_LONGEST_VALUE = 60  # characters


def shown(value: object) -> str:
    """A value as it may stand in a message: its representation, on one line and not too long."""
    try:
        text = repr(value)
    except Exception:  # whatever a stranger's class or a number of a million digits does
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def on_one_line(text: str) -> str:
    """Line breaks and whatever else cannot be printed as their escapes: names may hold them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class TwofoldError(Exception):
    """Base of every error raised on purpose by this library; its message is one line."""

    def __init__(self, message: object = "") -> None:
        super().__init__(on_one_line(str(message)))


class UsageError(TwofoldError, ValueError):
    """The caller asked for something that makes no sense; the command line exits with 2."""


class ConfigError(UsageError):
    """An option has an unknown name or an impossible value."""


class ImageSourceError(TwofoldError):
    """A folder, glob, manifest, list or array of images cannot be used as a whole."""


class ImageError(TwofoldError):
    """One image cannot be used; the message is the reason, without the file's name."""


class NotEnoughImagesError(TwofoldError):
    """Too few usable images for what was asked; the message says how many are needed."""


class RemoteError(TwofoldError):
    """A file at an address cannot be had; the message is the reason."""


class WeightsError(TwofoldError):
    """The weights of an encoder are missing, altered or do not fit its architecture."""


class MissingExtraError(TwofoldError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class BundleError(TwofoldError):
    """A model folder is damaged, altered, of another schema or not a model at all."""


class ExportError(TwofoldError):
    """An exported graph does not say what its detector says."""


class TrackingError(TwofoldError):
    """MLflow does not take what a fit would log."""


class CollapseError(TwofoldError):
    """Training ended in a (nearly) constant representation or constant scores."""


class NotFittedError(TwofoldError, ValueError, AttributeError):
    """A fitted attribute or a score was asked of a detector that has not been fitted."""
