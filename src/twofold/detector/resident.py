"""A detector that stays in a process and is asked for one image after the other."""

from __future__ import annotations

from io import BytesIO
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.detector.scoring import Scoring
from twofold.images import ImageInput, ImageSet
from twofold.images.decode import decode

__all__ = ["Resident"]

# Of the noise, over that of the encoder's input: it has to be made smaller, as images usually are.
_LARGER = 1.25
# Kinds of files that are decoded once; the library behind each is loaded with the first.
_FORMATS = ("PNG", "JPEG")


class Resident(Scoring):
    """Gets ready before the first image comes."""

    def warm_up(self, example: ImageInput | None = None) -> Self:
        """Do now what scoring would do with the first image alone, and return the detector.

        Reads the weights or the converted network, compiles it for single images, opens the cache
        and scores one image, so that the first image after it takes as long as later ones. From
        then on an image that comes by itself may take all cores on its way through the network;
        before, and among many, each has one. Takes a second or some, once in each process; done
        again, it takes as long as an image. Nothing is kept of the image, and no score changes by
        it.

        Args:
            example: images of the kind that will come, of which all are looked at: what depends on
                their size and kind of file is then ready, too. None takes one of noise.

        Raises:
            NotFittedError: before ``fit``.
            ImageSourceError, NotEnoughImagesError: the example holds no image that can be used.
            WeightsError, MissingExtraError: the encoder's network is needed and cannot be had.
        """
        self._require_fitted()
        images = self._noise() if example is None else self._find(example)
        self._notes(images)
        reader = self._scorer()
        encoded = reader.uncached().read(images, "example")
        reader.frozen.prepare_few()
        reader.frozen.look_up(images)
        scores = self._scores(encoded)
        self._judge(encoded.names, scores, (), self.threshold_)
        return self

    def example(self) -> NDArray[np.uint8]:
        """Noise of a size that can be scored, uint8 (h, w, 3); always the same.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._require_fitted()
        mask = self.sight_.one_mask()
        height, width = self.method_.encoder.spec.preprocessing.shape
        shape = (round(_LARGER * height), round(_LARGER * width)) if mask is None else mask.shape
        return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)

    def _noise(self) -> ImageSet:
        """One image, once it has been decoded from files."""
        pixels, mask = self.example(), self.sight_.one_mask()
        for kind in _FORMATS:
            file = BytesIO()
            Image.fromarray(pixels).save(file, format=kind)
            decode(file.getvalue())
        return ImageSet.from_array(pixels).masked(None if mask is None else self.sight_.masks)
