"""The contract of every method: what it consumes, how it is fitted, scored, saved and loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.errors import CollapseError, ConfigError, NotFittedError
from twofold.methods.checks import check_declared
from twofold.methods.config import MethodConfig, Need
from twofold.methods.data import FitData
from twofold.methods.fit import Diagnostics, Fit, Found, OutOfSample
from twofold.methods.rows import FOLDS, HALVES, first_by_name, folds

if TYPE_CHECKING:
    from twofold.eyes import RegionScale
    from twofold.methods.graphs import Judge, Places

__all__ = [
    "FOLDS",
    "Diagnostics",
    "Fit",
    "FitData",
    "Found",
    "Method",
    "MethodConfig",
    "Need",
    "OutOfSample",
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


class Method(ABC):
    """One system with its options; :meth:`fit` gives a fitted one, and leaves this as it is.

    Subclasses set the class attributes and write ``_fit``, ``_score``, ``_state`` and ``_restore``.

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
    def uses_labels(cls) -> bool:
        """Whether target labels reach this method (never fair to compare with the others)."""
        return "target_labels" in cls.needs

    def fit(
        self,
        data: FitData,
        *,
        random_state: int = 0,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Fit[Self]:
        """Fit; the method itself stays as it is, so every fit is a fresh one.

        Args:
            data: exactly what the configuration wants, besides the source.
            random_state: of every random choice; the same state gives the same bits on a CPU.
            progress: called with (steps done, steps in all) by methods that take long.
            watch: called after each epoch by the methods that train on the encoder's features; it
                looks and changes nothing.

        Returns:
            The model, its out-of-sample scores and diagnostics.

        Raises:
            ConfigError: data missing or not declared.
            NotEnoughImagesError: too few images.
            CollapseError: the result tells nothing apart.
        """
        check_declared(self.id, self.config, self.needs, data)
        model = type(self)(self.encoder, self.config)
        model._watch = watch
        found = model._fit(data, random_state, progress)
        own = found.out_of_sample
        model._check_scores(model._seen_scores(data) if own is None else own.scores)
        model._fitted, model._watch = True, None

        def cross_fit() -> OutOfSample:
            return model._cross_fit(data, random_state) if own is None else own

        return Fit(model, found.diagnostics, cross_fit)

    def score(self, images: EncodedImages) -> Array:
        """Anomaly scores, float64 (n,), finite, larger = more anomalous, never clamped.

        Raises:
            NotFittedError: before :meth:`fit`.
        """
        self._require_fitted()
        if not len(images):
            return np.empty(0)
        # A fit may have settled on outputs that these images were not encoded with.
        images = images.also_as(self.config.outputs())
        return np.asarray(self._score(images), dtype=np.float64)

    def score_with_views(self, images: EncodedImages) -> tuple[Array, Array]:
        """Scores as :meth:`score` gives them, and the views of which they are weighted means.

        Returns:
            float64 (n,), and float64 (n, v), one column for each of :meth:`n_views`, on the scale
            of the scores.

        Raises:
            NotFittedError: before :meth:`fit`.
        """
        scores = self.score(images)
        return scores, np.empty((len(scores), self.n_views()))

    def n_views(self) -> int:
        """How many views the scores are weighted means of; 0 of a method that has one way."""
        return 0

    def anomaly_map(self, images: EncodedImages) -> Array:
        """Where the anomalies are, float64 (n, g, g), larger = more anomalous, never clamped.

        In spreads of normal patches above their median: one scale for all images and places.

        Raises:
            NotFittedError: before :meth:`fit`.
            ConfigError: not :meth:`MethodConfig.has_maps`.
        """
        raise ConfigError(f"method {self.id} with these options has no anomaly maps")

    def map_range(self) -> tuple[float, float]:
        """The map values between which colours change, the same for all images."""
        raise ConfigError(f"method {self.id} with these options has no anomaly maps")

    def region_scale(self) -> RegionScale:
        """What regions of the maps of normal images are like."""
        raise ConfigError(f"method {self.id} with these options has no anomaly maps")

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """The arithmetic of :meth:`score` and :meth:`anomaly_map` as a PyTorch module.

        Args:
            places: of each patch output of the configuration.

        Raises:
            NotFittedError: before :meth:`fit`.
            ConfigError: the scores are no closed form of outputs of the frozen encoder.
        """
        raise ConfigError(
            f"method {self.id} cannot be exported: it trains networks of its own; auto, "
            "target_only, frozen_source, padim and patchcore can"
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays; with them and the configuration :meth:`restore` rebuilds the fit."""
        self._require_fitted()
        return self._state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """The model whose :meth:`state` this is, on a machine without the training data.

        Raises:
            ConfigError: the arrays are not those of this method and configuration.
        """
        model = type(self)(self.encoder, self.config)
        try:
            model._restore(dict(state))
            strange = state.keys() ^ model._state().keys()
            if strange:
                raise ValueError(f"{min(strange)} is not an array of this method")
        except (KeyError, ValueError, RuntimeError, TypeError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"the saved arrays do not fit method {self.id}: {reason}") from error
        model._fitted = True
        return model

    def __getstate__(self) -> dict[str, Any]:
        """As in a saved model: the configuration and, of a fit, its arrays."""
        arrays = self.state() if self._fitted else None
        return {"encoder": self.encoder, "config": self.config, "arrays": arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["encoder"], state["config"])  # type: ignore[misc]
        if state["arrays"] is not None:
            self.__dict__.update(self.restore(state["arrays"]).__dict__)

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
    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found: ...

    @abstractmethod
    def _score(self, images: EncodedImages) -> Array: ...

    @abstractmethod
    def _state(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def _restore(self, state: dict[str, NDArray[Any]]) -> None: ...

    def _cross_fit(self, data: FitData, random_state: int) -> OutOfSample:
        """Out-of-sample scores of a method whose ``_fit`` has none at hand: of the source normals.

        Each from a fit on the other half of them; all else that the method sees is the same.
        """
        scores = np.empty(len(data.source))
        for fold in folds(data.source.grouping(), HALVES, random_state):
            rest = replace(data, source=data.source.subset(~fold))
            other = type(self)(self.encoder, self.config).fit(rest, random_state=random_state)
            scores[fold] = other.model.score(data.source.subset(fold))
        return OutOfSample(scores, "source", data.source.grouping())

    def _require_fitted(self) -> None:
        if not self._fitted:
            raise NotFittedError(f"method {self.id} is not fitted: its fit returns a model that is")

    def _seen_scores(self, data: FitData) -> Array:
        """Scores of what was fitted on, for :meth:`_check_scores`."""
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
