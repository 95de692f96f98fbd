"""Processes that were started together, by ``torchrun`` or in its manner, to train one network."""

from __future__ import annotations

import os

__all__ = ["is_first_process", "n_processes"]


def n_processes() -> int:
    """How many there are; 1 unless this one was started so."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 1
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this one is to write and print what all of them have found."""
    return n_processes() == 1 or os.environ.get("RANK", "0") == "0"
