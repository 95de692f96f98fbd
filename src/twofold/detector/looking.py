"""How a fitted detector looks at images: bit depth, masks, encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from twofold.detector.reading import DetectorProgress, Reader
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import EngineKind
from twofold.errors import NotFittedError
from twofold.images import ImageInput, ImageSet, MaskInput, Masks, find_images, survey
from twofold.methods import Method

__all__ = ["Looking", "Sight"]


@dataclass(frozen=True)
class Sight:
    """What decides about the pixels of an image.

    Attributes:
        bit_depth: with which images of more than 8 bits are read; None takes all 16 bits.
        masks: what is left out of images; None leaves out nothing.
        by_name: the fit had a mask for each image, which a model does not keep.
    """

    bit_depth: int | None = None
    masks: Masks | None = None
    by_name: bool = False

    def one_mask(self) -> NDArray[np.bool_] | None:
        """Which pixels of every image are looked at, bool (h, w); None if there is no such mask."""
        one = None if self.masks is None else self.masks.one
        return None if one is None else one.looked_at


class Looking:
    """Reads images as those of the fit.

    Args:
        strict: fail on the first unusable image.
        engine: of frozen inference.
        progress: told about long work.

    Attributes:
        method_: the fitted method.
        sight_: bit depth and masks of the images.
        cached: whether vectors are looked for and kept in the embedding cache; set it to False for
            images that are seen once.
    """

    method_: Method
    sight_: Sight
    cached: bool = True

    def __init__(
        self, *, strict: bool, engine: EngineKind, progress: DetectorProgress | None
    ) -> None:
        self.strict = strict
        self.engine = engine
        self.progress = progress
        self._frozen: dict[tuple[str, tuple[str, ...], EngineKind, bool], FrozenEncoder] = {}

    @property
    def bit_depth_(self) -> int | None:
        """With which images of more than 8 bits are read; None takes all 16 bits."""
        return self.sight_.bit_depth

    def set_mask(self, mask: MaskInput | None) -> Self:
        """Leave out other parts of images from now on; nothing is fitted again.

        Args:
            mask: as for the constructor; None looks at images whole.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: the mask cannot be used.
        """
        self._require_fitted()
        masks = None if mask is None else Masks.find(mask)
        by_name = masks is not None and masks.by_name
        self.sight_ = Sight(self.sight_.bit_depth, masks, by_name)
        return self

    def _look(self, method: Method, sight: Sight) -> None:
        """Look with these from now on."""
        self.method_, self.sight_ = method, sight
        # Engines of another encoder are of no use any more.
        mine = method.encoder.fingerprint
        self._frozen = {key: kept for key, kept in self._frozen.items() if key[0] == mine}

    def _find(self, images: ImageInput) -> ImageSet:
        return find_images(images).at_depth(self.sight_.bit_depth).masked(self.sight_.masks)

    def _notes(self, images: ImageSet) -> tuple[str, ...]:
        """What a user should know of the files."""
        found, masks = survey(images, find_depth=False), self.sight_.masks
        notes = found.notes
        if masks is not None:
            notes += masks.notes(images.names)
        elif self.sight_.by_name:
            notes += (
                "the fit had masks by the names of its images, which the model does not keep: "
                "these images are looked at whole; give their masks to leave out parts",
            )
        if self.bit_depth_ is None and found.n_deep:
            notes += (
                f"{found.n_deep} image(s) have more than 8 bits, which none had in the fit: all 16 "
                "bits are taken; fit with bit_depth to state fewer",
            )
        return notes

    def _require_fitted(self) -> None:
        if not hasattr(self, "method_"):
            raise NotFittedError("this Detector is not fitted: call fit first")

    def _reader(self, method: Method, *more: str) -> Reader:
        """Of a method's outputs and some more."""
        outputs = tuple(dict.fromkeys((*method.config.outputs(), *more)))
        frozen = self._frozen_encoder(method.encoder, outputs)
        return Reader(method.encoder, frozen, self.engine, self.strict, self.progress)

    def _frozen_encoder(self, encoder: Encoder, outputs: tuple[str, ...]) -> FrozenEncoder:
        """The one for these outputs; kept, as compiling takes seconds, and shared by threads."""
        key = (encoder.fingerprint, outputs, self.engine, self.cached)
        frozen = self._frozen.get(key)
        if frozen is None:
            cache = default_cache() if self.cached else None
            fresh = FrozenEncoder(encoder, outputs, cache=cache, engine=self.engine)
            # Threads that come at once get the same one.
            frozen = self._frozen.setdefault(key, fresh)
        return frozen

    def __getstate__(self) -> dict[str, Any]:
        """Without the engines, which belong to their process and are made again when needed."""
        return self.__dict__ | {"_frozen": {}}
