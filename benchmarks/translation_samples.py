"""What BiOST and IRAD make of real images, as pictures.

Usage: python benchmarks/translation_samples.py {biost,irad} SOURCE TARGET OUT
           [--images 100] [--shots 10] [--columns 8] [--side 64] [--ngf 16] [--epochs 10]
           [--least-steps 500] [--random-state 0]

SOURCE and TARGET are folders of normal images. OUT/biost.png has a row of source images, one of
their translations by the untrained networks, one after training, one of source images rebuilt in
their own domain, and the shot with what its own networks make of it. OUT/irad.png has source
images, the target images whose shared latents they meet, the reconstruction x1 from the source
image's own latents before and after training, and x2 with the target's, which is to be the source
image again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from twofold.comparison.biost.method import Biost, BiostConfig, translate, untrained
from twofold.comparison.irad.method import Irad, IradConfig, reconstruct
from twofold.comparison.pixels import resized
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.images import find_images
from twofold.methods import FitData
from twofold.training import local_generator

Pixels = NDArray[np.uint8]

_LABEL = 110
_GAP = 2
_SHOWN = 96  # Side of an image in the grid.


def grid(rows: Mapping[str, Pixels]) -> Image.Image:
    """Rows of images with their name on the left; images are enlarged without smoothing."""
    columns = max(len(images) for images in rows.values())
    pitch = _SHOWN + _GAP
    sheet = Image.new("RGB", (_LABEL + columns * pitch, len(rows) * pitch), "white")
    pen = ImageDraw.Draw(sheet)
    for line, (name, images) in enumerate(rows.items()):
        pen.text((4, line * pitch + _SHOWN // 2), name, fill="black")
        for column, pixels in enumerate(images):
            picture = Image.fromarray(pixels).resize((_SHOWN, _SHOWN), Image.Resampling.NEAREST)
            sheet.paste(picture, (_LABEL + column * pitch, line * pitch))
    return sheet


def report(done: int, total: int) -> None:
    """One line that is written over."""
    if done == total or done % 20 == 0:
        print(f"\r{done}/{total} steps", end="\n" if done == total else "", file=sys.stderr)


def encoded(
    encoder: Encoder, folder: str, outputs: tuple[str, ...], most: int, random_state: int
) -> EncodedImages:
    """A random part of a folder's images."""
    images = find_images(folder)
    order = np.random.default_rng(random_state).permutation(len(images))[:most]
    return FrozenEncoder(encoder, outputs).encode(images.subset(np.sort(order)))


def some(images: EncodedImages, columns: int, side: int) -> Pixels:
    """The first images at a small side."""
    return resized(images["pixels"][:columns], side)


def biost_rows(encoder: Encoder, options: argparse.Namespace) -> dict[str, Pixels]:
    """Train BiOST and translate."""
    state = options.random_state
    config = BiostConfig(
        translation_side=options.side,
        ngf=options.ngf,
        translation_epochs=options.epochs,
        decay_epochs=options.epochs // 3,
    )
    outputs = config.outputs()
    source = encoded(encoder, options.source, outputs, options.images, state)
    shot = encoded(encoder, options.target, ("pixels",), 1, state)
    data = FitData(source, target_shots=shot)
    fit = Biost(encoder, config).fit(data, random_state=state, progress=report)
    trained = fit.diagnostics.networks
    shown, one = some(source, options.columns, options.side), some(shot, 1, options.side)
    return {
        "source": shown,
        "at the start": translate(untrained(config, state), shown),
        "after training": translate(trained, shown),
        "source rebuilt": translate(trained, shown, "b", "b"),
        "shot, rebuilt": np.concatenate([one, translate(trained, one, "a", "a")]),
    }


def irad_rows(encoder: Encoder, options: argparse.Namespace) -> dict[str, Pixels]:
    """Train IRAD on pixels and rebuild."""
    state = options.random_state
    config = IradConfig(
        space="pixel",
        pixel_side=options.side,
        ngf=options.ngf,
        adversarial_epochs=options.epochs,
        least_steps=options.least_steps,
    )
    source = encoded(encoder, options.source, ("pixels",), options.images, state)
    shots = encoded(encoder, options.target, ("pixels",), options.shots, state)
    data = FitData(source, target_shots=shots)
    fit = Irad(encoder, config).fit(data, random_state=state, progress=report)
    shown = some(source, options.columns, options.side)
    shot_rows = np.resize(np.arange(len(shots)), len(shown))
    others = resized(shots["pixels"][shot_rows], options.side)
    fresh: Any = Irad(encoder, config)
    start = fresh._networks(local_generator(state), local_generator(state))
    first, _ = reconstruct(start, shown, others)
    own, crossed = reconstruct(fit.diagnostics.networks, shown, others)
    return {
        "source": shown,
        "target": others,
        "x1 at the start": first,
        "x1 after training": own,
        "x2 after training": crossed,
    }


def main() -> None:
    """Train one system on the given folders and write its picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system", choices=("biost", "irad"))
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=100, help="source images at most")
    parser.add_argument("--shots", type=int, default=10, help="target images of irad")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--side", type=int, default=64, choices=(32, 64, 128))
    parser.add_argument("--ngf", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--least-steps", type=int, default=500, help="of irad")
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args()
    if options.system == "irad" and options.side == 128:
        parser.error("irad works at 32 or 64 pixels")
    make = biost_rows if options.system == "biost" else irad_rows
    picture = grid(make(load_encoder(), options))
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{options.system}.png"
    picture.save(file)
    print(file)


if __name__ == "__main__":
    main()
