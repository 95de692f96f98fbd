"""Score images as an exported detector does: python score.py IMAGE ... > scores.csv"""

import csv
import functools
import importlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
SAYS = json.loads((HERE / "export.json").read_text(encoding="utf-8"))
LOOK = SAYS["preprocessing"]
runtime = importlib.import_module(SAYS["graph"]["runtime"])
if runtime.__name__ == "onnxruntime":
    run = functools.partial(runtime.InferenceSession(HERE / "model.onnx").run, ["score"])
else:  # called without names, it gives its first output first
    run = runtime.compile_model(HERE / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def read(path, draft):
    """Upright 8-bit RGB pixels (h, w, 3): transparency over white, what a mask hides even."""
    image = Image.open(path)
    image.draft(None, draft)  # makes large JPEGs smaller while they are decoded
    image = ImageOps.exif_transpose(image)
    if image.mode[0] == "I":  # more than 8 bits
        image = Image.fromarray(np.rint(np.asarray(image) * (255 / LOOK["white"])).astype(np.uint8))
    canvas, image = Image.new("RGB", image.size, "white"), image.convert("RGBA")
    canvas.paste(image, mask=image)
    pixels = np.array(canvas)
    if LOOK["mask"] is not None:
        shown = np.asarray(Image.open(HERE / LOOK["mask"])) >= 128
        pixels[~shown] = np.rint(pixels[shown].sum(axis=0, dtype=np.int64) / shown.sum())
    return pixels


def resize(pixels, axis, after):
    """One axis at another length, by an antialiasing filter with weights of 16 bits."""
    before, weights = pixels.shape[axis], np.zeros((after, pixels.shape[axis]))
    for row, centre in enumerate((np.arange(after) + 0.5) * (before / after)):
        x = np.abs(np.arange(before) + 0.5 - centre) / max(before / after, 1.0)
        near, far = (1.5 * x - 2.5) * x * x + 1.0, (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
        cubic = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
        weights[row] = cubic if LOOK["filter"] == "bicubic" else np.maximum(1.0 - x, 0.0)
        weights[row] /= weights[row].sum()
    one = 2.0 ** min(np.floor(np.log2((2**15 - 0.5) / weights.max())), 22)
    weights = np.trunc(weights * one + np.copysign(0.5, weights)) / one
    sums = np.moveaxis(np.tensordot(weights, pixels.astype(float), (1, axis)), 0, axis)
    return np.clip(np.floor(sums + 0.5), 0, 255).astype(np.uint8)


csv.writer(sys.stdout).writerow(["image", "score", "anomalous"])
for name in sys.argv[1:]:
    sides = [(s["name"], read(name, s["draft"]), s["width"], s["height"]) for s in SAYS["inputs"]]
    inputs = {key: resize(resize(seen, 1, w), 0, h)[None] for key, seen, w, h in sides}
    score = float(run(inputs)[0][0])
    csv.writer(sys.stdout).writerow([name, score, int(score > SAYS["decision"]["threshold"])])
