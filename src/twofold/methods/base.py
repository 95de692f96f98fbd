"""The contract of every method: what it consumes, how it is fitted, scored, saved and loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError, NotFittedError
from twofold.methods._data import FitData, Need, Reference
from twofold.methods._rows import FOLDS, check_labels, first_by_name, folds

__all__ = [
    "FOLDS",
    "FitData",
    "Method",
    "MethodConfig",
    "Need",
    "Reference",
    "Watch",
    "first_by_name",
    "folds",
    "parse_config",
]

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Watch = Callable[[Callable[[EncodedImages], Array]], None]
"""Called during training with the scores as they then are, a function of images."""

# Scores count as constant when they differ by less than this relative to their size: float64
# arithmetic on float32 features leaves differences of about 1e-7 that mean nothing.
_CONSTANT = 1e-6


class MethodConfig(BaseModel):
    """Base of every method's options: typed, validated, immutable; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Method(ABC):
    """One system. Subclasses set the class attributes and write ``_fit`` and ``_score``.

    Attributes:
        id: public name.
        summary: one line for people.
        needs: what it consumes besides source normals; anything else is refused.
        may_need: what some of its options add to that.
        Config: its options.
        revision: of the algorithm. Raise it with every change after which the same images and
            options give other scores: saved models and rows of benchmarks of an older revision then
            no longer count as this method's.
    """

    id: ClassVar[str]
    summary: ClassVar[str]
    revision: ClassVar[int] = 1
    needs: ClassVar[frozenset[Need]] = frozenset()
    may_need: ClassVar[frozenset[Need]] = frozenset()
    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, encoder: Encoder, config: MethodConfig | None = None) -> None:
        self.encoder = encoder
        self.config = self.Config() if config is None else config
        self._fitted = False
        self._watch: Watch | None = None

    @classmethod
    def wanted(cls, config: MethodConfig) -> frozenset[Need]:
        """What this configuration consumes: ``needs``, unless an option asks for ``may_need``."""
        del config
        return cls.needs

    @classmethod
    def uses_labels(cls) -> bool:
        """Whether target labels reach this method (never fair to compare with the others)."""
        return "target_labels" in cls.needs

    @classmethod
    def outputs(cls, config: MethodConfig) -> tuple[str, ...]:
        """Names of the encoder outputs that fit and score read."""
        del config
        return ("pooled",)

    @classmethod
    def has_maps(cls, config: Any) -> bool:
        """Whether this configuration can say where in an image the anomaly is."""
        del config
        return False

    @classmethod
    def shot_outputs(cls, config: MethodConfig) -> tuple[str, ...]:
        """Likewise for ``target_shots``; ``pixels`` are the images before the encoder."""
        return cls.outputs(config)

    @classmethod
    def selection_encoder(cls, config: MethodConfig) -> str | None:
        """Id of a second encoder whose view of the pool ``fit`` needs, if any."""
        del config
        return None

    def fit(
        self,
        data: FitData,
        *,
        random_state: int = 0,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Method:
        """Fit afresh; an earlier fit leaves no trace, and a fit that fails changes nothing.

        Args:
            data: exactly what :meth:`wanted` declares, besides the source.
            random_state: of every random choice; the same state gives the same bits on a CPU.
            progress: called with (steps done, steps in all) by methods that take long.
            watch: called after each epoch by the methods that train on the encoder's features; it
                looks and changes nothing.

        Raises:
            ConfigError: data missing or not declared.
            NotEnoughImagesError: too few images.
            CollapseError: the result tells nothing apart.
        """
        self._check_declared(data)
        fresh = object.__new__(type(self))
        fresh.__dict__.update(self.__dict__, _watch=watch)
        fresh._fit(data, random_state, progress)
        fresh._check_scores(fresh._seen_scores(data))
        self.__dict__.update(fresh.__dict__)
        self._fitted, self._watch = True, None
        return self

    def score(self, images: EncodedImages) -> Array:
        """Anomaly scores, float64 (n,), finite, larger = more anomalous, never clamped.

        Raises:
            NotFittedError: before :meth:`fit`.
        """
        self._require_fitted()
        if not len(images):
            return np.empty(0)
        return np.asarray(self._score(images), dtype=np.float64)

    def reference(self, data: FitData, *, random_state: int = 0) -> Reference:
        """Cross-fitted scores of the data a threshold rests on, after :meth:`fit` on the same."""
        self._require_fitted()
        return self._reference(data, random_state)

    def anomaly_map(self, images: EncodedImages) -> Array:
        """Where the anomalies are, float64 (n, g, g), larger = more anomalous, never clamped.

        In spreads of normal patches above their median: one scale for all images and places.

        Raises:
            NotFittedError: before :meth:`fit`.
            ConfigError: not :meth:`has_maps`.
        """
        raise ConfigError(f"method {self.id} with these options has no anomaly maps")

    def map_range(self) -> tuple[float, float]:
        """The map values between which colours change, the same for all images."""
        raise ConfigError(f"method {self.id} with these options has no anomaly maps")

    def choices(self) -> dict[str, float]:
        """What the fit settled by itself, by name; nothing for most methods."""
        return {}

    def state(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays; with them and the configuration :meth:`restore` rebuilds the fit."""
        self._require_fitted()
        return self._state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Method:
        """Inverse of :meth:`state`, on a machine without the training data.

        Raises:
            ConfigError: the arrays are not those of this method and configuration.
        """
        self._fitted = False
        try:
            self._restore(dict(state))
            strange = state.keys() ^ self._state().keys()
            if strange:
                raise ValueError(f"{min(strange)} is not an array of this method")
        except (KeyError, ValueError, RuntimeError, TypeError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"the saved arrays do not fit method {self.id}: {reason}") from error
        self._fitted = True
        return self

    def __getstate__(self) -> dict[str, Any]:
        """As in a saved model: the configuration and, of a fit, its arrays."""
        arrays = self.state() if self._fitted else None
        return {"encoder": self.encoder, "config": self.config, "arrays": arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["encoder"], state["config"])  # type: ignore[misc]
        if state["arrays"] is not None:
            self.restore(state["arrays"])

    def _watched(self, ready: Callable[[], object]) -> Callable[[], None] | None:
        """What the training loop calls after an epoch: ``ready`` makes the method able to score."""
        watch = self._watch
        if watch is None:
            return None

        def look() -> None:
            ready()
            watch(self._score)

        return look

    @abstractmethod
    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None: ...

    @abstractmethod
    def _score(self, images: EncodedImages) -> Array: ...

    @abstractmethod
    def _reference(self, data: FitData, random_state: int) -> Reference: ...

    @abstractmethod
    def _state(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def _restore(self, state: dict[str, NDArray[Any]]) -> None: ...

    def _require_fitted(self) -> None:
        if not self._fitted:
            raise NotFittedError(f"method {self.id} is not fitted: call fit first")

    def _check_declared(self, data: FitData) -> None:
        wanted = self.wanted(self.config)
        for name in get_args(Need):
            given = getattr(data, name) is not None
            if given and name not in wanted:
                raise ConfigError(f"method {self.id} must not see {name}")
            if not given and name in wanted:
                raise ConfigError(f"method {self.id} needs {name}")
        self._check_selection(data)
        for field in fields(data):
            images = getattr(data, field.name)
            if isinstance(images, EncodedImages) and not len(images):
                raise NotEnoughImagesError(f"{field.name} holds no usable image")
        # Out-of-sample scores need one image to score and one to fit on.
        for name, images in (("source", data.source), ("target", data.target_pool)):
            if images is not None and len(images) < 2:
                raise NotEnoughImagesError(f"{name} needs at least 2 images, got {len(images)}")
        if data.target_labels is not None and data.target_pool is not None:
            check_labels(data.target_labels, len(data.target_pool))

    def _check_selection(self, data: FitData) -> None:
        wanted = self.selection_encoder(self.config)
        if (wanted is None) != (data.target_selection is None):
            verb = "must not see" if wanted is None else "needs"
            name = "" if wanted is None else f": the pool encoded by {wanted}"
            raise ConfigError(f"method {self.id} {verb} target_selection{name}")
        if data.target_selection is not None and data.target_pool is not None:
            n, expected = len(data.target_selection), len(data.target_pool)
            if n != expected:
                raise ConfigError(f"target_selection has {n} images, target_pool {expected}")

    def _seen_scores(self, data: FitData) -> Array:
        """Scores of what was fitted on, for :meth:`_check_scores`; out of sample where at hand."""
        seen = data.source if data.target_pool is None else data.target_pool
        return np.asarray(self._score(seen), dtype=np.float64)

    def _check_scores(self, scores: Array) -> None:
        if not np.isfinite(scores).all():
            raise CollapseError(f"method {self.id} gave scores that are not finite")
        if len(scores) > 1 and np.ptp(scores) <= _CONSTANT * np.abs(scores).max():
            raise CollapseError(
                f"method {self.id} gives all {len(scores)} images the same score: "
                "are they copies of one image?"
            )


def parse_config(method: type[Method], options: Mapping[str, Any]) -> MethodConfig:
    """Validate options of a method.

    Raises:
        ConfigError: an unknown name or an impossible value, in one line.
    """
    try:
        return method.Config.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        # What is wrong with several options together names them itself.
        where = f"method {method.id}, option {name}" if name else f"method {method.id}"
        reason = first["msg"].removeprefix("Value error, ")
        known = ", ".join(method.Config.model_fields) or "none"
        raise ConfigError(f"{where}: {reason} (its options: {known})") from error
