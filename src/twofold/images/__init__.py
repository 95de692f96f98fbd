"""Finding, checking and decoding images: the lowest layer, which needs neither torch nor pandas.

`find_images` turns whatever the user gave into an `ImageSet`; `ImageSet.load` reads one image's
content once, and `LoadedImage` offers its digest (for a cache) and its pixels (on a miss).
`survey` looks over a set before that: how many bits its values have, and what to warn of.
"""

from twofold.images.collection import ImageSet, Problem
from twofold.images.colour import to_rgb
from twofold.images.decode import decode
from twofold.images.depth import check_bit_depth
from twofold.images.find import ImageInput, find_images
from twofold.images.loaded import LoadedImage
from twofold.images.mask import Mask
from twofold.images.masks import MaskInput, Masks
from twofold.images.survey import Survey, same_shape, survey

__all__ = [
    "ImageInput",
    "ImageSet",
    "LoadedImage",
    "Mask",
    "MaskInput",
    "Masks",
    "Problem",
    "Survey",
    "check_bit_depth",
    "decode",
    "find_images",
    "same_shape",
    "survey",
    "to_rgb",
]
