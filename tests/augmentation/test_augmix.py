"""AugMix: convex mixtures of an image with chains of changes to its colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from twofold.augmentation.augmix import OPERATIONS, augmix
from twofold.errors import ConfigError

Pixels = NDArray[np.uint8]


def noise(side: int = 24, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(30, 200, (side, side, 3), dtype=np.uint8)


def apply(name: str, image: Pixels, severity: float) -> Pixels:
    return np.asarray(OPERATIONS[name](Image.fromarray(image), severity))


def test_the_operations_are_the_eight_without_geometry() -> None:
    assert list(OPERATIONS) == [
        "autocontrast",
        "equalise",
        "posterise",
        "solarise",
        "colour",
        "contrast",
        "brightness",
        "sharpness",
    ]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_places(name: str) -> None:
    """Left and right of an image swapped before or after makes no difference."""
    image = noise()
    mirrored = np.ascontiguousarray(image[:, ::-1])
    for severity in (0.0, 1.5, 3.0):
        made = apply(name, image, severity)
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        assert np.array_equal(apply(name, mirrored, severity), made[:, ::-1])


def test_levels_of_the_operations() -> None:
    image = noise()
    picture = Image.fromarray(image)
    assert np.array_equal(apply("posterise", image, 0.0), image & 0xF0)
    assert np.array_equal(apply("posterise", image, 2.9), image & 0xE0)
    assert np.array_equal(apply("solarise", image, 0.0), image)
    threshold = 256 - int(3 * 25.6)
    expected = np.where(image < threshold, image, 255 - image)
    assert np.array_equal(apply("solarise", image, 3.0), expected)
    for name, kind in (("colour", ImageEnhance.Color), ("brightness", ImageEnhance.Brightness)):
        expected = np.asarray(kind(picture).enhance(0.1 + 0.18 * 2))
        assert np.array_equal(apply(name, image, 2.0), expected)
    assert np.array_equal(apply("equalise", image, 1.0), np.asarray(ImageOps.equalize(picture)))


class Scripted:
    """A generator that gives what the test wants."""

    def __init__(self, operation: int, share: float, depth: int = 1, severity: int = 3) -> None:
        self.operation, self.share, self.depth = operation, share, depth
        self.severity = severity
        self.severities: list[tuple[float, float]] = []
        self.wholes: list[tuple[int, int]] = []

    def dirichlet(self, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        assert (alpha == 1).all()
        return np.full(len(alpha), 1 / len(alpha))

    def beta(self, a: float, b: float) -> float:
        assert (a, b) == (1, 1)
        return self.share

    def integers(self, low: int, high: int | None = None) -> int:
        if high is None:
            assert low == len(OPERATIONS)
            return self.operation
        self.wholes.append((low, high))
        return self.depth if low else self.severity

    def uniform(self, low: float, high: float) -> float:
        self.severities.append((low, high))
        return high


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("operation", range(len(OPERATIONS)))
def test_the_mixture_is_the_formula(operation: int, share: float) -> None:
    image = noise()
    scripted: Any = Scripted(operation, share)
    made = augmix(image, scripted)
    changed = apply(list(OPERATIONS)[operation], image, 3.0).astype(float)
    expected = (1 - share) * image + share * changed
    assert np.abs(made - expected).max() <= 0.5 + 1e-9
    assert scripted.severities == [(0.1, 3.0)] * 3


def test_an_image_draws_its_severity_and_depth_once() -> None:
    """As the release of GNL does: whole numbers, the same for all chains."""
    for severity, interval in ((0, (0.0, 0.1)), (1, (0.1, 1.0)), (3, (0.1, 3.0))):
        scripted: Any = Scripted(6, 1.0, depth=2, severity=severity)
        augmix(noise(), scripted)
        assert scripted.wholes == [(0, 4), (1, 4)]
        assert scripted.severities == [interval] * 6


def test_no_severity_is_not_no_change() -> None:
    """The enhancements fall to a tenth there."""
    dark = augmix(noise(), Scripted(6, share=1.0, severity=0))  # type: ignore[arg-type]
    assert np.array_equal(dark, apply("brightness", noise(), 0.1))
    assert dark.mean() < 0.15 * noise().mean()


def test_a_chain_applies_one_operation_after_the_other() -> None:
    image = noise()
    scripted: Any = Scripted(operation=6, share=1.0, depth=2)
    once = apply("brightness", image, 3.0)
    assert np.array_equal(augmix(image, scripted), apply("brightness", once, 3.0))
    assert len(scripted.severities) == 6
    scripted = Scripted(operation=6, share=1.0)
    augmix(image, scripted, depth=3, width=2, severity=5)
    assert len(scripted.severities) == 6
    assert scripted.wholes == [(0, 6)]


def test_shape_type_and_input() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    before = image.copy()
    for seed in range(20):
        made = augmix(image, np.random.default_rng(seed))
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        assert not np.shares_memory(made, image)
    assert np.array_equal(image, before)


def test_the_generator_decides() -> None:
    image = noise()
    one, two, other = (augmix(image, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    generator = np.random.default_rng(1)
    assert not np.array_equal(augmix(image, generator), augmix(image, generator))


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_value(value: int) -> None:
    image = np.full((8, 8, 3), value, dtype=np.uint8)
    for seed in range(10):
        assert augmix(image, np.random.default_rng(seed)).shape == image.shape


@pytest.mark.parametrize("options", [{"severity": 0}, {"severity": 11}, {"width": 0}, {"depth": 0}])
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="augmix needs"):
        augmix(noise(), np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_another_kind_of_image(image: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected a uint8 \(h, w, 3\) image"):
        augmix(image, np.random.default_rng(0))
