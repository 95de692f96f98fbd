"""A toy world: rendered images in two domains, and an encoder of a few thousand weights.

Normal images show discs, anomalies one of three other shapes. The target differs from the source by
colours, contrast and blur. Everything is a function of a seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from twofold.encoders.backbone import Backbone
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, Preprocessing
from twofold.images import find_images
from twofold.method_table import METHODS
from twofold.methods import FitData, Method, MethodConfig, parse_config
from twofold.metrics import auroc

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

SIDE = 64
DIM = 32
ENCODER = "toy"
OUTPUTS = ("pooled", "pooled-1", "split:last_stage", "pixels", "patches@3")
N_SHOTS = 5


@dataclass(frozen=True)
class Domain:
    """How images of a domain look: two colours, blur, noise."""

    background: tuple[float, float, float]
    foreground: tuple[float, float, float]
    blur: float
    noise: float


SOURCE = Domain((40, 50, 70), (200, 190, 170), 0.6, 4.0)
TARGET = Domain((110, 90, 60), (180, 210, 190), 1.6, 8.0)
SHAPES = ("disc", "bars", "checker", "cross")


def render(shape: str, domain: Domain, rng: np.random.Generator) -> Images:
    """One (SIDE, SIDE, 3) image with a random place, size, tilt and brightness."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    x, y = x - rng.uniform(-5, 5), y - rng.uniform(-5, 5)
    angle = rng.uniform(-0.3, 0.3)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    size = rng.uniform(14, 20)
    inside = np.maximum(np.abs(u), np.abs(v)) < size
    mask = {
        "disc": np.hypot(u, v) < size,
        "bars": inside & (np.sin(v * 1.3) > 0),
        "checker": inside & (np.sin(u) * np.sin(v) > 0),
        "cross": inside & (np.minimum(np.abs(u), np.abs(v)) < size / 5),
    }[shape]
    soft = gaussian_filter(mask.astype(float), domain.blur)[..., None]
    pixels = (1 - soft) * np.array(domain.background) + soft * np.array(domain.foreground)
    pixels = pixels * rng.uniform(0.85, 1.15) + rng.normal(0, domain.noise, pixels.shape)
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def draw(labels: Labels, domain: Domain, rng: np.random.Generator) -> Images:
    """One image per label, (n, SIDE, SIDE, 3); 1 = anomalous."""
    kinds = rng.integers(1, len(SHAPES), len(labels))
    shapes = [
        SHAPES[kind] if label else SHAPES[0] for kind, label in zip(kinds, labels, strict=True)
    ]
    return np.stack([render(shape, domain, rng) for shape in shapes])


@dataclass(frozen=True)
class World:
    """Source normals, an unlabelled target pool, and a target test half normal."""

    source: Images
    pool: Images
    pool_labels: Labels
    test: Images
    test_labels: Labels


def make_world(
    seed: int = 0,
    *,
    n_source: int = 60,
    n_pool: int = 80,
    n_test: int = 60,
    share: float = 0.1,
    target: Domain = TARGET,
) -> World:
    """Draw a world; ``share`` of the pool is anomalous."""
    rng = np.random.default_rng(seed)
    pool_labels = np.zeros(n_pool, dtype=np.int64)
    pool_labels[: round(share * n_pool)] = 1
    rng.shuffle(pool_labels)
    test_labels = np.arange(n_test, dtype=np.int64) % 2
    return World(
        source=draw(np.zeros(n_source, dtype=np.int64), SOURCE, rng),
        pool=draw(pool_labels, target, rng),
        pool_labels=pool_labels,
        test=draw(test_labels, target, rng),
        test_labels=test_labels,
    )


def normals(n: int, seed: int, domain: Domain = TARGET) -> Images:
    """Fresh normal images."""
    return draw(np.zeros(n, dtype=np.int64), domain, np.random.default_rng([seed, 7]))


def build() -> Network:
    """A small chain with normalisation layers whose statistics are not the trivial ones."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        norm = nn.BatchNorm2d(outputs)
        with torch.no_grad():
            assert norm.running_var is not None
            norm.running_var.fill_(0.5)
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), norm, nn.ReLU())

    segments: dict[str, nn.Module] = {
        "stem": block(3, 16),
        "layer1": block(16, 24),
        "layer2": block(24, DIM),
        "pool": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    }
    backbone = Backbone(segments, {4: "layer1", 8: "layer2"}, last_stage="layer2")
    return Network(backbone.segments, backbone)


SPEC = EncoderSpec(
    id=ENCODER,
    architecture="toy",
    feature_dim=DIM,
    map_channels={4: 24, 8: DIM},
    preprocessing=Preprocessing(32, (120.0, 120.0, 120.0), (60.0, 60.0, 60.0), "bilinear"),
    licence="Apache-2.0",
    weights=HubWeights("nobody/toy"),
    build=build,
)


def register() -> None:
    """Make the toy encoder known under :data:`ENCODER`."""
    if ENCODER not in ENCODERS:
        ENCODERS.add(ENCODER, f"{__name__}:SPEC")


@contextmanager
def registered() -> Iterator[None]:
    """Like :func:`register`, for as long as the context lasts."""
    with ENCODERS.restored():
        register()
        yield


@lru_cache(maxsize=1)
def encoder() -> Encoder:
    """The toy encoder, randomly initialised and always the same."""
    with registered():
        return load_encoder(ENCODER, "random")


def encode(images: Images, outputs: tuple[str, ...] = OUTPUTS) -> EncodedImages:
    """Images as the toy encoder sees them."""
    return FrozenEncoder(encoder(), outputs, engine="torch").encode(find_images(images))


def encode_shots(images: Images, outputs: tuple[str, ...] = OUTPUTS) -> EncodedImages:
    """Likewise, with the output ``pixels`` as well."""
    return encode(images, (*outputs, "pixels"))


@dataclass(frozen=True)
class Encoded:
    """An encoded world; ``shots`` are the first normals of the pool, if any were asked for."""

    source: EncodedImages
    pool: EncodedImages
    pool_labels: Labels
    test: EncodedImages
    test_labels: Labels
    shots: EncodedImages | None = None


def only(images: EncodedImages, *outputs: str) -> EncodedImages:
    """The same images without their other outputs."""
    return replace(images, arrays={name: images[name] for name in outputs})


def encode_world(world: World, outputs: tuple[str, ...] = OUTPUTS) -> Encoded:
    """Encode every part of a world."""
    return Encoded(
        shots=encode_shots(world.pool[world.pool_labels == 0][:N_SHOTS], outputs),
        source=encode(world.source, outputs),
        pool=encode(world.pool, outputs),
        pool_labels=world.pool_labels,
        test=encode(world.test, outputs),
        test_labels=world.test_labels,
    )


@lru_cache(maxsize=8)
def encoded_world(seed: int = 0, **sizes: Any) -> Encoded:
    """The encoded world of a seed; do not change its arrays."""
    return encode_world(make_world(seed, **sizes))


def from_arrays(**arrays: NDArray[np.floating]) -> EncodedImages:
    """Encoded images made of nothing but vectors; rows that are equal get equal digests."""
    parts = {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
    n = len(next(iter(parts.values())))
    rows = [b"".join(part[i].tobytes() for part in parts.values()) for i in range(n)]
    digests = tuple(hashlib.sha256(row).hexdigest() for row in rows)
    return EncodedImages(tuple(f"v{i}" for i in range(n)), digests, parts, np.arange(n))


def clouds(seed: int = 0, *, share: float = 0.2, shift: float = 3.0, away: float = 3.0) -> Encoded:
    """Target normals lie ``shift`` from the source, anomalies ``away`` from it elsewhere."""
    rng = np.random.default_rng(seed)
    base, normal, anomalous = rng.normal(size=(3, DIM))
    base *= 6 / np.linalg.norm(base)
    normal *= shift / np.linalg.norm(normal)
    anomalous *= away / np.linalg.norm(anomalous)

    def draw(labels: Labels, center: Floats) -> Any:
        rows = center + np.where(labels[:, None] == 1, anomalous - normal, 0.0)
        vectors = rows + rng.normal(0, 0.25, (len(labels), DIM))
        return from_arrays(**{"pooled": vectors, "pooled-1": vectors})

    pool_labels = (np.arange(100) < 100 * share).astype(np.int64)
    test_labels = np.arange(100) % 2
    return Encoded(
        source=draw(np.zeros(60, dtype=np.int64), base),
        pool=draw(pool_labels, base + normal),
        pool_labels=pool_labels,
        test=draw(test_labels, base + normal),
        test_labels=test_labels,
    )


def fit_data(method: type[Method], world: Encoded, config: MethodConfig | None = None) -> FitData:
    """What a method declares, and nothing else; of the shots no output it does not ask for."""
    config = method.Config() if config is None else config
    wanted = config.wanted(method.needs)
    data = FitData(source=world.source)
    if "target_pool" in wanted:
        data = replace(data, target_pool=world.pool)
    if "target_labels" in wanted:
        data = replace(data, target_labels=world.pool_labels)
    if "target_shots" in wanted:
        assert world.shots is not None
        data = replace(data, target_shots=only(world.shots, *config.shot_outputs()))
    if "source_anomalies" in wanted:
        rng = np.random.default_rng(11)
        images = draw(np.ones(12, dtype=np.int64), SOURCE, rng)
        data = replace(data, source_anomalies=encode(images, tuple(world.source.arrays)))
    if "source_reference" in wanted:
        data = replace(data, source_reference=world.source.subset(np.arange(len(world.source)) < 1))
    return data


QUICK: dict[str, Any] = {
    # Of the 200 steps that train a linear layer on real vectors these separate toy vectors.
    "training": {"epochs": 4, "min_steps": 40},
    # A trial of made-up flaws takes longer than the rest of a fit; its tests ask for it.
    "effort": "fast",
    "views": 4,
    "latent_epochs": 20,
    "student_blocks": "plain",
    "student_epochs": 6,
    "least_steps": 40,
    "ngf": 2,
    "residual_blocks": 0,
    "translation_epochs": 1,
    "decay_epochs": 0,
    "epoch_images": 2,
    "translation_side": 32,
    # MsRA's released 35 steps at 1e-4 leave this encoder's random maps as they are.
    "shot_epochs": 100,
    "msra_learning_rate": 0.01,
    "always_eval": True,
    "iterations": 100,
}
"""Options of all methods under which a fit takes a fraction of a second."""

WEAK: dict[str, str] = {
    "biost": "one image stands for the target, and how that ranks in one world is its luck",
    "msra": "its one centre is a mean of mostly source images, which this shift moves far off; its "
    "own tests look at worlds without a shift",
    "patchcore": "a coreset seeks what is rare: the pool's anomalies, of all three shapes, are in",
}
"""Methods that may rank a toy world badly, and why; their own tests look at what they can do."""


def quick_options(method: type[Method], **more: Any) -> dict[str, Any]:
    """Those of :data:`QUICK` that a method has, and ``more``."""
    known = method.Config.model_fields
    options = {name: value for name, value in QUICK.items() if name in known} | more
    if options.get("recipe") == "as_printed":
        options["training"] = {"epochs": 4}  # The letter knows no least number of steps.
    return options


def fitting(name: str, world: Encoded, seed: int = 0, **options: Any) -> Any:
    """The fit of a registered method to a world; ``Any``, as tests look inside."""
    method = METHODS.load(name)
    # A trial of made-up flaws takes longer than all the rest; its tests ask for it.
    fast = {"effort": "fast"} if "effort" in method.Config.model_fields else {}
    config = parse_config(method, fast | options)
    return method(encoder(), config).fit(fit_data(method, world, config), random_state=seed)


def fit(name: str, world: Encoded, seed: int = 0, **options: Any) -> Any:
    """Likewise the fitted model alone."""
    return fitting(name, world, seed, **options).model


def printed_fitting(name: str, world: Encoded, seed: int = 0, **options: Any) -> Any:
    """As :func:`fitting`, by the letter of the paper, whose last stage trains for few steps."""
    return fitting(name, world, seed, recipe="as_printed", **options)


def printed_fit(name: str, world: Encoded, seed: int = 0, **options: Any) -> Any:
    """Likewise the fitted model alone."""
    return printed_fitting(name, world, seed, **options).model


def losses(name: str, world: Encoded, seed: int = 0, **options: Any) -> tuple[float, ...]:
    """Mean losses of the epochs of such a fit."""
    found: tuple[float, ...] = fitting(name, world, seed, **options).diagnostics.losses["training"]
    return found


def area(model: Method, world: Encoded) -> float:
    """AUROC of a fitted method on a world's test images."""
    scores = model.score(world.test)
    return auroc(scores[world.test_labels == 0], scores[world.test_labels == 1])
