"""Local defects under a domain shift, where every defective pixel is known.

Usage: python benchmarks/local_defects.py [--runs 3] [--strength 0.5] [--out docs/results/local]

Real textures, made-up flaws: functional monocrystalline solar cells of the elpv package. A run
draws 200 cells as they are for the source and 300 others for the target, which are shifted first.
Then defects are added, all four kinds in turn: to 20 of the 200 cells of the unlabelled pool and to
half of the 100 cells of the test. Pool and test share no cell, and runs draw anew. The test is made
twice, with defects of 0.5 to 3% of the image, as those of the pool, and with small ones of 0.1 to
0.5%: at most as large as one place of the patch grid.

A second trial asks what a flaw that comes back costs: one blob, the same at the same place, in
0 to 20% of the pool and in half of the test, without a shift.

Prints Markdown tables, and writes `synthetic.json` and `overlays.png`: of run 0 the first test cell
of each kind (image, outline, map) and the first normal one (image, map), with the maps of `auto` in
the colours of `score --maps`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation

from twofold.benchmark.elpv import load_cells
from twofold.benchmark.pixel_metrics import pixel_auroc, pro
from twofold.detector.maps import draw_overlay
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.images import ImageSet
from twofold.method_table import METHODS
from twofold.methods import Fit, FitData, Method, parse_config
from twofold.metrics import auroc
from twofold.synthetic import DEFECTS, SHIFTS, add_defect, shift_image

Pixels = NDArray[np.uint8]

N_SOURCE, N_POOL, N_TEST = 200, 200, 100
POOL_SHARE = 0.1
CONDITIONS = ("none", *SHIFTS)
SIZES = {"usual": (0.005, 0.03), "small": (0.001, 0.005)}
REPEATED = (0.0, 0.02, 0.1, 0.2)
# All that any of the systems looks at.
OUTPUTS = METHODS.load("auto").Config().outputs()
METRICS = {
    "image_auroc": "image AUROC",
    "peak_auroc": "image AUROC of the largest map value alone",
    "pixel_auroc": "pixel AUROC",
    "pro": "PRO (FPR to 30%)",
}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "auto local": ("auto", {"locality": "local"}),
    "auto local shared": ("auto", {"locality": "local", "places": "shared"}),
    "auto both": ("auto", {"locality": "both"}),
    "auto global": ("auto", {"locality": "global"}),
    "padim pool": ("padim", {"fit_on": "pool"}),
    "padim source": ("padim", {"fit_on": "source"}),
    "patchcore pool": ("patchcore", {"fit_on": "pool"}),
    "patchcore source": ("patchcore", {"fit_on": "source"}),
    "frozen_source": ("frozen_source", {}),
    "target_only": ("target_only", {}),
}
_TILE, _GAP, _TITLE = 96, 3, 18


@dataclass(frozen=True)
class Sample:
    """Images and what was done to them.

    Attributes:
        pixels: uint8 (n, h, w, 3).
        kinds: of each image's defect, "" for a normal one.
        masks: bool (n, h, w).
    """

    pixels: Pixels
    kinds: tuple[str, ...]
    masks: NDArray[np.bool_]

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Which are defective."""
        return np.array([kind != "" for kind in self.kinds])


def normal_cells() -> Pixels:
    """All functional monocrystalline cells, (588, 300, 300, 3)."""
    cells = load_cells("mono")
    paths = [path for path, label in zip(cells.paths, cells.labels, strict=True) if not label]
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def shifted(pixels: Pixels, shift: str, strength: float) -> Pixels:
    """Each image as the other domain shows it."""
    if shift == "none":
        return pixels
    return np.stack([shift_image(image, shift, strength) for image in pixels])


def with_defects(
    pixels: Pixels,
    seeds: Sequence[tuple[int, ...]],
    kinds: tuple[str, ...],
    area: tuple[float, float] = SIZES["usual"],
) -> Sample:
    """The first images, as many as there are seeds, with a defect each, the kinds in turn.

    The same seeds give the same places and shapes whatever the shift.
    """
    images, masks = pixels.copy(), np.zeros(pixels.shape[:3], dtype=np.bool_)
    found = [""] * len(pixels)
    for row, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        made = add_defect(pixels[row], kinds[row % len(kinds)], generator, area=area)
        images[row], masks[row], found[row] = made.image, made.mask, made.kind
    return Sample(images, tuple(found), masks)


def fitted(name: str, frozen: FrozenEncoder, data: FitData, run: int) -> Fit[Method]:
    """One system, given the pool only where it wants it."""
    identifier, options = SYSTEMS[name]
    kind = METHODS.load(identifier)
    config = parse_config(kind, options)
    method = kind(frozen.encoder, config)
    pool = data.target_pool if sees_pool(method) else None
    return method.fit(FitData(data.source, pool), random_state=run)


def sees_pool(method: Method) -> bool:
    """Whether a method, with its options, is given the pool."""
    return "target_pool" in method.config.wanted(method.needs)


def maps_of(method: Method, images: EncodedImages, side: int) -> NDArray[np.float32]:
    """Anomaly maps at the size of the images, as `Detector.anomaly_map` gives them."""
    grids = method.anomaly_map(images).astype(np.float32)
    size = (side, side)
    large = [Image.fromarray(grid).resize(size, Image.Resampling.BILINEAR) for grid in grids]
    return np.stack([np.asarray(values) for values in large])


def measured(fit: Fit[Method], images: EncodedImages, sample: Sample) -> dict[str, Any]:
    """The metrics of one fitted system; those of maps only where it has its own.

    The maps of `auto` are the same with ``local`` and with ``both``.
    """
    method = fit.model
    scores, odd = method.score(images), sample.labels
    row: dict[str, Any] = {"image_auroc": auroc(scores[~odd], scores[odd])}
    kinds = np.array(sample.kinds)
    row["by_kind"] = {
        kind: auroc(scores[~odd], scores[kinds == kind]) for kind in DEFECTS if kind in kinds
    }
    if method.config.has_maps() and getattr(method.config, "locality", "local") == "local":
        peaks = method.anomaly_map(images).max(axis=(1, 2))
        row["peak_auroc"] = auroc(peaks[~odd], peaks[odd])
        maps = maps_of(method, images, sample.pixels.shape[1])
        row |= {"pixel_auroc": pixel_auroc(maps, sample.masks), "pro": pro(maps, sample.masks)}
    return row | {"choices": dict(fit.diagnostics.choices)}


def one_run(
    cells: Pixels, frozen: FrozenEncoder, run: int, strength: float, sheet: list[Image.Image]
) -> list[dict[str, Any]]:
    """All shifts and systems of one draw of cells."""
    near, pool_cells, test_cells = drawn(cells, run)
    source = encoded(frozen, near)
    known: dict[str, Fit[Method]] = {}  # those that see no target are the same under every shift
    rows = []
    n_odd, half = round(POOL_SHARE * N_POOL), N_TEST // 2
    for shift in CONDITIONS:
        far, fresh = (shifted(part, shift, strength) for part in (pool_cells, test_cells))
        pool = with_defects(far, [(run, 0, i) for i in range(n_odd)], DEFECTS)
        data = FitData(source, encoded(frozen, pool.pixels))
        fits = {name: known.get(name) or fitted(name, frozen, data, run) for name in SYSTEMS}
        known |= {name: fit for name, fit in fits.items() if not sees_pool(fit.model)}
        for size, area in SIZES.items():
            test = with_defects(fresh, [(run, 1, i) for i in range(half)], DEFECTS, area)
            images = encoded(frozen, test.pixels)
            for name, fit in fits.items():
                rows.append({"shift": shift, "size": size, "run": run, "system": name})
                rows[-1] |= measured(fit, images, test)
                print(f"{run} {shift} {size} {name} {rows[-1]['image_auroc']:.3f}", file=sys.stderr)
            if run == 0 and (size == "usual" or shift == "none"):
                title = shift if size == "usual" else f"{shift}, {size}"
                sheet.append(strip(title, fits["auto both"].model, images, test))
    return rows


def repeated(cells: Pixels, frozen: FrozenEncoder, run: int) -> list[dict[str, Any]]:
    """One blob at one place, in more and more of the pool."""
    near, pool_cells, test_cells = drawn(cells, run)
    source, seed = encoded(frozen, near), (run, 2)
    test = with_defects(test_cells, [seed] * (N_TEST // 2), ("blob",))
    images, rows = encoded(frozen, test.pixels), []
    for share in REPEATED:
        pool = with_defects(pool_cells, [seed] * round(share * N_POOL), ("blob",))
        data = FitData(source, encoded(frozen, pool.pixels))
        for name in ("auto local", "padim pool", "patchcore pool"):
            rows.append({"share": share, "run": run, "system": name})
            rows[-1] |= measured(fitted(name, frozen, data, run), images, test)
    return rows


def drawn(cells: Pixels, run: int) -> tuple[Pixels, Pixels, Pixels]:
    """Source, pool and test cells, no cell twice."""
    order = np.random.default_rng(run).permutation(len(cells))
    parts = np.split(order[: N_SOURCE + N_POOL + N_TEST], [N_SOURCE, N_SOURCE + N_POOL])
    return cells[parts[0]], cells[parts[1]], cells[parts[2]]


def encoded(frozen: FrozenEncoder, pixels: Pixels) -> EncodedImages:
    """One encoding for all systems."""
    return frozen.encode(ImageSet.from_array(pixels))


def strip(shift: str, method: Method, images: EncodedImages, sample: Sample) -> Image.Image:
    """One row of the sheet: image, outline of the mask and map, of each kind and a normal cell."""
    firsts = [sample.kinds.index(kind) for kind in (*DEFECTS, "")]
    maps = maps_of(method, images.subset(np.array(firsts)), sample.pixels.shape[1])
    width = _GAP + sum((2 if not sample.kinds[row] else 3) * (_TILE + _GAP) + 6 for row in firsts)
    sheet = Image.new("RGB", (width, _TITLE + _TILE + _GAP), (255, 255, 255))
    pen, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=12), _GAP
    for row, values in zip(firsts, maps, strict=True):
        image = Image.fromarray(sample.pixels[row])
        tiles = [image, draw_overlay(image, values, *method.map_range())]
        if sample.kinds[row]:
            tiles.insert(1, outlined(sample.pixels[row], sample.masks[row]))
        title = sample.kinds[row] or "normal"
        pen.text((left, 1), f"{shift}: {title}", fill=(20, 20, 20), font=font)
        for tile in tiles:
            small = tile.resize((_TILE, _TILE), Image.Resampling.BOX)
            sheet.paste(small, (left, _TITLE))
            left += _TILE + _GAP
        left += 6
    return sheet


def outlined(pixels: Pixels, mask: NDArray[np.bool_]) -> Image.Image:
    """The image with a green line around the mask, two pixels away from it."""
    rim = binary_dilation(mask, iterations=6) & ~binary_dilation(mask, iterations=2)
    shown = pixels.copy()
    shown[rim] = (0, 220, 0)
    return Image.fromarray(shown)


def print_tables(rows: list[dict[str, Any]], column: str, metrics: Iterable[str]) -> None:
    """One table a metric: systems by `column`, mean and spread over the runs, percent."""
    columns = list(dict.fromkeys(row[column] for row in rows))
    for metric in metrics:
        print(f"\n| {METRICS[metric]}, % | {' | '.join(map(str, columns))} |")
        print(f"| --- |{' --- |' * len(columns)}")
        for name in dict.fromkeys(row["system"] for row in rows if metric in row):
            cells = []
            for value in columns:
                found = [
                    100 * row[metric]
                    for row in rows
                    if row["system"] == name and row[column] == value
                ]
                cells.append(f"{np.mean(found):.1f} ± {np.std(found):.1f}")
            print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--strength", type=float, default=0.5, help="of the shifts, 0 to 1")
    parser.add_argument("--out", type=Path, default=Path("docs/results/local"))
    options = parser.parse_args()
    cells, frozen = normal_cells(), FrozenEncoder(load_encoder(), OUTPUTS)
    rows: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    strips: list[Image.Image] = []
    for run in range(options.runs):
        rows += one_run(cells, frozen, run, options.strength, strips)
        again += repeated(cells, frozen, run)
    for size in SIZES:
        print(f"\nDefects of {size} size")
        print_tables([row for row in rows if row["size"] == size], "shift", METRICS)
    print("\nThe same blob in this share of the pool")
    print_tables(again, "share", METRICS)
    options.out.mkdir(parents=True, exist_ok=True)
    result = {
        "encoder": frozen.encoder.spec.id,
        "strength": options.strength,
        "counts": {"source": N_SOURCE, "pool": N_POOL, "test": N_TEST, "pool_share": POOL_SHARE},
        "sizes": SIZES,
        "shifts": rows,
        "repeated": again,
    }
    text = json.dumps(result, indent=1) + "\n"
    (options.out / "synthetic.json").write_text(text, encoding="utf-8")
    height = sum(strip.height for strip in strips)
    sheet = Image.new("RGB", (strips[0].width, height), (255, 255, 255))
    for number, piece in enumerate(strips):
        sheet.paste(piece, (0, number * piece.height))
    # Few colours: a third of the bytes, and no difference to the eye.
    sheet.quantize(255).save(options.out / "overlays.png", optimize=True)


if __name__ == "__main__":
    main()
