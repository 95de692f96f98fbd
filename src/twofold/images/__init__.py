"""Finding, checking and decoding images: the ground floor, which needs neither torch nor pandas.

`find_images` turns whatever the user gave into an `ImageSet`; `ImageSet.load` reads one image's
content once, and `LoadedImage` offers its digest (for a cache) and its pixels (on a miss).
"""

from twofold.images.collection import ImageSet, LoadedImage, Problem
from twofold.images.colour import to_rgb
from twofold.images.decode import decode
from twofold.images.find import ImageInput, find_images

__all__ = [
    "ImageInput",
    "ImageSet",
    "LoadedImage",
    "Problem",
    "decode",
    "find_images",
    "to_rgb",
]
