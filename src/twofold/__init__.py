"""twofold: image anomaly detection under domain shift, without labels.

``source`` holds images known to be normal from one place, ``target`` unlabelled images from the
place where the detector must work. :class:`Detector` turns the two into a detector for the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twofold.detector import Detector

__all__ = ["Detector", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import :class:`Detector` (and with it torch) only when it is first asked for."""
    if name == "Detector":
        from twofold.detector import Detector  # noqa: PLC0415

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
