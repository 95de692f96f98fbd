"""What a CUDA card makes of encoding, fitting, scoring and training, beside its own limits.

Usage: python benchmarks/gpu.py [--device cuda] [--images 2000] [--batches 8 32 128 512]
       [--steps 200] [--repeats 5] [--onnx] [--out FILE.json]

One command for a machine with a card; needs nothing but the package (and onnxruntime-gpu, onnx and
onnxscript for `--onnx`). Four parts, medians and ranges of so many repeats in turn:

- the card's limits: products of large matrices in each precision, and copies to and within it;
- the default encoder alone on pixels that are on the card, by precision, memory format and batch:
  images a second, and the share of the card's own product rate that this is;
- the same network by ONNX Runtime;
- `twofold` as it is: encoding solar cells from files with an empty cache, fitting `auto` to them,
  scoring them, and steps of training `paper`.

`--device cpu` does the same on a processor, with smaller products; that is how it is tested.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from auto_tables import table
from peers.machine import machine
from peers.tables import spread
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from twofold import Detector
from twofold.benchmark.elpv import load_cells
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.modules import Outputs
from twofold.images import find_images
from twofold.method_table import METHODS

OUTPUTS = METHODS.load("auto").Config().outputs()
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Of one call, with everything on the card done."""
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait for the card; a processor is never ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turn(
    works: Mapping[str, Callable[[], object]], device: torch.device, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each work; works take turns, on a card after a round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in works}
    warm_up = device.type == "cuda"
    for _ in range(warm_up + repeats):
        for name, work in works.items():
            found[name].append(seconds_of(work, device))
    return {name: seconds[warm_up:] for name, seconds in found.items()}


@contextmanager
def precision(name: str, device: torch.device) -> Iterator[None]:
    """Products in TF32 or not, and autocast for the 16-bit ones."""
    before = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = name == "tf32"
    half = name in {"bfloat16", "float16"}
    cast: AbstractContextManager[Any] = nullcontext()
    if half:
        cast = torch.autocast(device.type, dtype=getattr(torch, name))
    try:
        with torch.inference_mode(), cast:
            yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions


def limits(device: torch.device, repeats: int) -> dict[str, list[float]]:
    """TFLOP/s of products by precision; GB/s to the card and within it."""
    n, floats = (8192, 2**28) if device.type == "cuda" else (1024, 2**22)
    left, right = (torch.randn(n, n, device=device) for _ in range(2))
    host, there = torch.empty(floats), torch.empty(floats, device=device)
    if device.type == "cuda":
        host = host.pin_memory()

    def product(name: str) -> Callable[[], object]:
        def work() -> object:
            with precision(name, device):
                return left @ right

        return work

    works: dict[str, Callable[[], object]] = {name: product(name) for name in PRECISIONS}
    works |= {"to the card": lambda: there.copy_(host), "within": there.clone}
    amounts = dict.fromkeys(PRECISIONS, 2e-12 * n**3)
    amounts |= {"to the card": 4e-9 * floats, "within": 8e-9 * floats}
    return {
        name: [amounts[name] / value for value in seconds]
        for name, seconds in in_turn(works, device, repeats).items()
    }


def normalised(encoder: Encoder, batch: int, device: torch.device) -> torch.Tensor:
    """A batch as the network takes it, float32 (n, 3, h, w)."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 3, *encoder.spec.preprocessing.shape)
    return torch.randn(shape, generator=generator).to(device)


def network(
    encoder: Encoder, batches: Sequence[int], device: torch.device, repeats: int
) -> list[dict[str, Any]]:
    """Images a second of the network alone, for each precision, memory format and batch."""
    module = copy.deepcopy(Outputs(encoder, OUTPUTS)).eval().to(device)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        module(normalised(encoder, 1, device))
    rows = []
    for batch in batches:
        works = {
            f"{name}/{form}": forward(module, normalised(encoder, batch, device), name, form)
            for name in PRECISIONS
            for form in FORMATS
        }
        for key, seconds in in_turn(works, device, repeats).items():
            name, form = key.split("/")
            rows.append(
                {"precision": name, "format": form, "batch": batch}
                | {"images_per_second": [batch / value for value in seconds]}
                | {"tflop_per_image": counter.get_total_flops() / 1e12}
            )
    return rows


def forward(module: nn.Module, images: torch.Tensor, name: str, form: str) -> Callable[[], object]:
    """A call of the network in a precision and memory format."""
    memory_format = FORMATS[form]
    module = copy.deepcopy(module).to(memory_format=memory_format)
    images = images.contiguous(memory_format=memory_format)

    def work() -> object:
        with precision(name, images.device):
            return module(images)

    return work


def onnx(
    encoder: Encoder, batches: Sequence[int], device: torch.device, repeats: int
) -> list[dict[str, Any]]:
    """Images a second of ONNX Runtime from and to the host's memory, by batch."""
    import onnxruntime  # noqa: PLC0415 - an extra

    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise SystemExit(f"onnxruntime has no {provider}: pip install onnxruntime-gpu")
    cpu, rows = torch.device("cpu"), []
    with tempfile.TemporaryDirectory() as folder:
        for batch in batches:
            sample = normalised(encoder, batch, cpu)
            path = f"{folder}/{batch}.onnx"
            torch.onnx.export(
                Outputs(encoder, OUTPUTS).eval(), (sample,), path, dynamo=True, verbose=False
            )
            session = onnxruntime.InferenceSession(path, providers=[provider])
            given = {session.get_inputs()[0].name: sample.numpy()}
            seconds = in_turn({"": lambda: session.run(None, given)}, device, repeats)[""]  # noqa: B023
            rows.append({"batch": batch, "images_per_second": [batch / one for one in seconds]})
    return rows


def whole(count: int, steps: int, device: torch.device, repeats: int) -> dict[str, list[float]]:
    """Images a second from files, of fits and of scores; and steps of training a second."""
    warnings.simplefilter("ignore")  # notes to the user
    half = count // 2
    source, pool = (list(map(str, load_cells(name).paths[:half])) for name in ("mono", "poly"))
    images, encoder = find_images([*source, *pool]), load_encoder()
    frozen = FrozenEncoder(encoder, OUTPUTS, engine="torch")
    detectors: list[Detector] = []
    training = {"training": {"max_steps": steps, "min_steps": steps}}

    def fit() -> None:
        detectors[:] = [Detector(engine="torch", random_state=0).fit(source, pool)]

    def train() -> None:
        paper = Detector(method="paper", options=training, engine="torch", random_state=0)
        paper.fit(source, pool)

    works: dict[str, Callable[[], object]] = {
        "encode": lambda: frozen.encode(images),
        "fit": fit,
        "score": lambda: detectors[0].decision_function([*source, *pool]),
        "train": train,
    }
    amounts = {"encode": len(images), "fit": len(images), "score": len(images), "train": steps}
    found = in_turn(works, device, repeats)
    return {name: [amounts[name] / one for one in seconds] for name, seconds in found.items()}


def tables(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    rates: Mapping[str, list[float]] = found["limits"]
    units = dict.fromkeys(PRECISIONS, "TFLOP/s")
    parts = [
        table(
            ["limit", "measured"],
            [[name, f"{spread(own, 1)} {units.get(name, 'GB/s')}"] for name, own in rates.items()],
        )
    ]
    lines = []
    for row in found["network"]:
        own, most = row["images_per_second"], float(np.median(rates[row["precision"]]))
        share = float(np.median(own)) * row["tflop_per_image"] / most
        lines.append(
            [row["precision"], row["format"], str(row["batch"]), spread(own, 0), f"{share:.1%}"]
        )
    head = ["precision", "memory format", "batch", "images/s", "of the card's products"]
    parts.append(table(head, lines))
    if found["onnx"]:
        ready = [[str(row["batch"]), spread(row["images_per_second"], 0)] for row in found["onnx"]]
        parts.append(table(["batch, ONNX Runtime", "images/s"], ready))
    body = [[name, spread(own, 1)] for name, own in found["whole"].items()]
    parts.append(table(["whole", "images (train: steps) a second"], body))
    return "\n\n".join(parts)


def main() -> None:
    """Measure everything and print tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA card here: run this where there is one, or try --device cpu")
    os.environ["TWOFOLD_CACHE"] = "off"  # every repeat encodes
    device, encoder = torch.device(options.device), load_encoder()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    found: dict[str, Any] = {"machine": machine(), "card": card, "cuda": torch.version.cuda}
    found["limits"] = limits(device, options.repeats)
    found["network"] = network(encoder, options.batches, device, options.repeats)
    found["onnx"] = onnx(encoder, options.batches, device, options.repeats) if options.onnx else []
    found["whole"] = whole(options.images, options.steps, device, options.repeats)
    print(f"{card or 'CPU'}\n\n{tables(found)}")
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
