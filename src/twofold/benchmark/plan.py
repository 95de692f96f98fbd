"""Which cells a benchmark consists of, and everything that decides their results."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.benchmark.datasets import Dataset
from twofold.benchmark.presets import Preset
from twofold.benchmark.protocol import PROTOCOLS
from twofold.defaults import DEFAULT_ANOMALY_SHARE, DEFAULT_N_SHOTS
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import Method, MethodConfig, parse_config

__all__ = [
    "Cell",
    "Plan",
    "Variant",
    "configuration_id",
    "make_variants",
    "pick_classes",
    "pick_directions",
]


@dataclass(frozen=True)
class Variant:
    """A method with its options.

    Attributes:
        method: its class.
        config: validated options: the method's own defaults, the preset's, the user's.
        label: the method's id, and the options the user set.
    """

    method: type[Method]
    config: MethodConfig
    label: str


@dataclass(frozen=True)
class Cell:
    """One fit and one test.

    Attributes:
        direction: (source, target) domains.
        normal: the class that is normal.
        variant: what is fitted.
        run: which repetition; also the random state of the draw and of the fit.
        anomaly_share: of the pool.
        pool_size: images of the pool, or None for all.
    """

    direction: tuple[str, str]
    normal: str
    variant: Variant
    run: int
    anomaly_share: float
    pool_size: int | None


@dataclass(frozen=True)
class Plan:
    """A whole benchmark.

    Attributes:
        dataset: the adapter.
        preset: what it spends.
        variants: the methods.
        directions: (source, target) pairs.
        classes: each the normal class once.
        runs: random states 0 to ``runs - 1``.
        protocol: id of the split.
        anomaly_shares: of the pool; several make a contamination sweep.
        pool_sizes: None = all of it; several make a sweep.
        n_shots: known target normals a few-shot method gets.
        log_best_epoch: tell in each row what choosing the epoch on the test would have given.
    """

    dataset: Dataset
    preset: Preset
    variants: tuple[Variant, ...]
    directions: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    runs: int
    protocol: str
    anomaly_shares: tuple[float, ...] = (DEFAULT_ANOMALY_SHARE,)
    pool_sizes: tuple[int | None, ...] = (None,)
    n_shots: int = DEFAULT_N_SHOTS
    log_best_epoch: bool = False

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise ConfigError(f"unknown protocol {self.protocol!r}: choose one of {known}")
        if (self.protocol == "given") != (self.dataset.protocol == "given"):
            raise ConfigError(
                f"dataset {self.dataset.id} has the protocol {self.dataset.protocol}: "
                f"{self.protocol} does not apply"
            )

    def cells(self) -> Iterator[Cell]:
        """Every cell; whole runs one after another, so that an early stop leaves whole tables."""
        for run, share, size in itertools.product(
            range(self.runs), self.anomaly_shares, self.pool_sizes
        ):
            for direction, normal, variant in itertools.product(
                self.directions, self.classes, self.variants
            ):
                yield Cell(direction, normal, variant, run, share, size)

    def __len__(self) -> int:
        sweeps = len(self.anomaly_shares) * len(self.pool_sizes)
        return self.runs * sweeps * len(self.directions) * len(self.classes) * len(self.variants)


def make_variants(
    methods: Sequence[str],
    preset: Preset,
    options: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
) -> tuple[Variant, ...]:
    """Every method under every combination of the grid.

    The preset's and the user's options reach the methods that have them.

    Args:
        methods: ids.
        preset: whose options come after a method's own defaults.
        options: the user's, nested; they come last.
        grid: option name (dotted if nested) -> its values.

    Raises:
        ConfigError: an unknown method, an option that none of the methods has, or a bad value.
    """
    classes = [METHODS.load(name) for name in dict.fromkeys(methods)]
    for name in (*_flat(options), *grid):
        if not any(_has(method, name) for method in classes):
            listed = ", ".join(method.id for method in classes)
            raise ConfigError(f"none of the methods {listed} has an option {name!r}")
    variants: dict[tuple[str, str], Variant] = {}
    for method in classes:
        own = {name: values for name, values in grid.items() if _has(method, name)}
        for point in itertools.product(*own.values()):
            chosen = _flat(options) | dict(zip(own, point, strict=True))
            mine = {name: value for name, value in chosen.items() if _has(method, name)}
            inherited = {k: v for k, v in _flat(preset.options).items() if _has(method, k)}
            config = parse_config(method, _nested(inherited | mine))
            shown = ", ".join(f"{name}={_text(value)}" for name, value in mine.items())
            label = f"{method.id} [{shown}]" if shown else method.id
            # Points that a method cannot tell apart are one variant.
            variants.setdefault(
                (method.id, config.model_dump_json()), Variant(method, config, label)
            )
    return tuple(variants.values())


def pick_directions(dataset: Dataset, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Directions by name, ``source->target`` or ``source:target``; all if none is named.

    A domain paired with itself is no shift: see :func:`twofold.benchmark.bank.no_shift_rows`.

    Raises:
        ConfigError: not a direction of the dataset, nor one of its domains paired with itself.
    """
    pairs = [*dataset.directions]
    if dataset.protocol != "given":
        pairs += [(domain, domain) for domain in dataset.domains]
    known = {f"{source}->{target}": (source, target) for source, target in pairs}
    picked = []
    for name in names:
        parts = name.replace("->", ":").split(":")
        source, target = (dataset.aliases.get(p, p) for p in (parts[0], parts[-1]))
        if len(parts) != 2 or f"{source}->{target}" not in known:
            raise ConfigError(
                f"dataset {dataset.id} has no direction {name!r}: choose from {', '.join(known)}"
            )
        picked.append((source, target))
    return tuple(dict.fromkeys(picked)) or dataset.directions


def pick_classes(dataset: Dataset, names: Sequence[str]) -> tuple[str, ...]:
    """Classes by name; all if none is named.

    Raises:
        ConfigError: not a class of the dataset.
    """
    for name in names:
        if name not in dataset.classes:
            known = ", ".join(dataset.classes)
            raise ConfigError(f"dataset {dataset.id} has no class {name!r}: choose from {known}")
    return tuple(dict.fromkeys(names)) or dataset.classes


def configuration_id(parts: Mapping[str, Any]) -> str:
    """Twelve hex digits of everything that decides a result besides the cell's own name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _has(method: type[Method], name: str) -> bool:
    model: Any = method.Config
    for part in name.split("."):
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return False
        model = fields[part].annotation
    return True


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return nested


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
