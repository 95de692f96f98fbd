"""The named errors of the library.

Every failure a user can meet is one of these, with a message of one line that names the file or
option at fault and what to do about it. The command line prints that line and nothing more.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CollapseError",
    "ConfigError",
    "ImageError",
    "ImageSourceError",
    "MissingExtraError",
    "NotEnoughImagesError",
    "NotFittedError",
    "TwofoldError",
    "UsageError",
    "WeightsError",
]


class TwofoldError(Exception):
    """Base of every error raised on purpose by this library."""


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


class WeightsError(TwofoldError):
    """The weights of an encoder are missing, altered or do not fit its architecture."""


class MissingExtraError(TwofoldError):
    """An optional dependency is not installed; the message names the extra to install."""


class BundleError(TwofoldError):
    """A model folder is damaged, altered, of another schema or not a model at all."""


class CollapseError(TwofoldError):
    """Training ended in a (nearly) constant representation or constant scores."""


class NotFittedError(TwofoldError, ValueError, AttributeError):
    """A fitted attribute or a score was asked of a detector that has not been fitted."""
