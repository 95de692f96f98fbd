"""How many anomalies the robust fits leave out, by their share, distance, spread and dimension.

Usage: python benchmarks/breakdown.py [--draws 10] [--out FILE]

400 made-up images whose normals are standard normal, alone or beside 400 source normals that vary
alike. For whole images, rows of 10, 50 or 200 numbers; for patches, 16 places of 20 numbers, of
which one is strange. Anomalies lie at a distance from the centre, in standard deviations of one
number: all in one direction, with a spread of their own (one kind of anomaly), or each in a
direction of its own. The share of them that the fit keeps after its concentration steps with the
default trim of a quarter: 0 is perfect, and 75% is what blind choice would keep. Markdown on
stdout, rows as JSON lines in FILE.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import table, write_lines
from numpy.typing import NDArray

from twofold.densities import fit_trimmed
from twofold.eyes import fit_trimmed_patches, patch_moments
from twofold.methods.auto.method import AutoConfig

Array = NDArray[np.float64]

N = 400
PLACES = 16
SHARES = (0.05, 0.1, 0.2, 0.3)
DISTANCES = (4.0, 8.0, 16.0)
# Of one kind, in standard deviations of normals; None: each in a direction of its own.
SPREADS: tuple[float | None, ...] = (0.3, 0.7, 1.0, None)
# Numbers of a row or of a place, whether they are patches, and whether there is a source.
FITS = {
    "whole images, 10 numbers": (10, False, False),
    "whole images, 50": (50, False, False),
    "whole images, 50, with a source": (50, False, True),
    "whole images, 200": (200, False, False),
    "patches, 20 numbers a place": (20, True, False),
    "patches, with a source": (20, True, True),
}
TRIM = AutoConfig().trim


def anomalies(
    n: int, d: int, distance: float, spread: float | None, generator: np.random.Generator
) -> Array:
    """So many of them, (n, d)."""
    if spread is None:
        away = generator.normal(size=(n, d))
        away *= distance / np.linalg.norm(away, axis=1, keepdims=True)
        return np.asarray(away + generator.normal(size=(n, d)))
    # The direction does not matter: normals vary alike in all.
    center = np.zeros(d)
    center[0] = distance
    return np.asarray(center + spread * generator.normal(size=(n, d)))


def kept_share(
    name: str, share: float, distance: float, spread: float | None, generator: np.random.Generator
) -> float:
    """The share of anomalies that a fit keeps."""
    n_odd = round(share * N)
    d, local, known = FITS[name]
    strange = anomalies(n_odd, d, distance, spread, generator)
    places = generator.normal(size=(PLACES if local else 1, N, d))
    places[0, :n_odd] = strange
    source = generator.normal(size=places.shape) + 5.0
    if local:
        moments = patch_moments(source.astype(np.float32)) if known else None
        _, kept = fit_trimmed_patches(moments, places.astype(np.float32), trim=TRIM)
    else:
        _, kept = fit_trimmed(source[0] if known else None, places[0], trim=TRIM)
    return float(kept[:n_odd].mean())


def rows(draws: int) -> Iterator[dict[str, Any]]:
    """Every setting, the mean over draws."""
    for name, spread, distance, share in itertools.product(FITS, SPREADS, DISTANCES, SHARES):
        found = [
            kept_share(name, share, distance, spread, np.random.default_rng(draw))
            for draw in range(draws)
        ]
        yield {
            "fit": name,
            "spread": spread,
            "distance": distance,
            "share": share,
            "kept": float(np.mean(found)),
            "draws": draws,
        }


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """A line for each fit, spread and distance; a column for each share."""
    body = []
    keys = dict.fromkeys((row["fit"], row["spread"], row["distance"]) for row in found)
    for name, spread, distance in keys:
        kept = {
            row["share"]: row["kept"]
            for row in found
            if (row["fit"], row["spread"], row["distance"]) == (name, spread, distance)
        }
        kind = "each its own" if spread is None else f"one, spread {spread:g}"
        body.append([name, kind, f"{distance:g}", *(f"{100 * kept[s]:.0f}%" for s in SHARES)])
    shares = (f"{share:.0%} anomalies" for share in SHARES)
    print(table(["fit", "direction", "distance", *shares], body))


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    options = parser.parse_args()
    found = list(rows(options.draws))
    print_table(found)
    write_lines(options.out, found)


if __name__ == "__main__":
    main()
