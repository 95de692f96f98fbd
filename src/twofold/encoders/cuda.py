"""Whether there is a CUDA device, without importing PyTorch to learn that there is none."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

__all__ = ["has_cuda"]


def has_cuda() -> bool:
    """Whether PyTorch can use a CUDA device.

    Without the driver's library there is none. Only with it PyTorch is imported and asked, which
    also says no where it was built without CUDA or ``CUDA_VISIBLE_DEVICES`` hides every device.
    """
    if "torch" not in sys.modules and not _driver_there():
        return False
    import torch  # noqa: PLC0415 - takes seconds

    return torch.cuda.is_available()


@cache
def _driver_there() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
