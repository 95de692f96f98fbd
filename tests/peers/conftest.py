"""Makes the programs of benchmarks/ importable; the libraries they measure need not be there."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "benchmarks")
if BENCHMARKS not in sys.path:
    # Last, so that no name of a program hides a library.
    sys.path.append(BENCHMARKS)
