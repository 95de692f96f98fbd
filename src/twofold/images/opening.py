"""Opening the header of an image file, with what Pillow gets wrong of TIFF put right."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import IO, Any, Final

from PIL import BmpImagePlugin, Image, ImageFile, ImagePalette, TiffImagePlugin
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from twofold.errors import ImageError
from twofold.images.quiet import quiet

__all__ = [
    "MIN_SIDE",
    "PNG",
    "TiffFile",
    "channel_bits",
    "check_size",
    "has_several_pages",
    "is_deep_file",
    "is_readable",
    "metadata_behind_pixels",
    "open_image",
    "raw_mode",
    "raw_modes",
    "unpack_as",
    "white_is_zero",
]

MIN_SIDE: Final = 8
"""Smallest width and height in pixels: below it there is hardly a pattern to look at."""

PNG: Final = b"\x89PNG\r\n\x1a\n"
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # both byte orders; "+" is BigTIFF
# A DIB starts with the length of its header, and these are the lengths there are.
_DIB: Final = tuple(n.to_bytes(4, "little") for n in (12, 40, 52, 56, 64, 108, 124))

# libtiff hands over numbers in the byte order of the machine, which Pillow allows for in some raw
# modes and forgets in these.
_NATIVE: Final = {
    "F;32F": "F;32NF",
    "F;32BF": "F;32NF",
    "I;32S": "I;32NS",
    "I;32BS": "I;32NS",
    "I;16S": "I;16NS",
    "I;16BS": "I;16NS",
}
_START: Final = 12  # bytes that tell the format
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1  # values of the tag PhotometricInterpretation
_SIGNED: Final = 2  # value of the tag SampleFormat


# Chunks of a PNG that may say how the image is turned, and how many chunks are looked through.
_TEXT: Final = (b"iTXt", b"tEXt", b"zTXt")
# Keywords of texts that Pillow looks at for it; a date or a comment says nothing of the kind.
_TURNING: Final = (b"exif", b"Raw profile type exif", b"xmp", b"XML:com.adobe.xmp")
_LONGEST_KEYWORD: Final = 79  # bytes, by the standard
_MOST_CHUNKS: Final = 10_000


def metadata_behind_pixels(file: IO[bytes], start: int) -> bool:
    """Tell whether a PNG may have metadata behind its pixels, from its chunks' heads alone.

    Pillow decodes all pixels to learn that. `start` is where the PNG begins; `file` stands
    afterwards where it stood.
    """
    place = file.tell()
    try:
        file.seek(start + len(PNG))
        pixels = False
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                break
            kind, length = head[4:], int.from_bytes(head[:4], "big")
            if kind == b"IEND":
                return False
            said = file.read(min(length, _LONGEST_KEYWORD + 1)) if kind in _TEXT else b""
            if pixels and (kind == b"eXIf" or said.split(b"\0")[0] in _TURNING):
                break
            pixels = pixels or kind == b"IDAT"
            file.seek(length - len(said) + 4, 1)
        return True
    finally:
        file.seek(place)


def check_size(width: int, height: int) -> None:
    """Raise ImageError unless both sides, in pixels, are long enough and the area is allowed."""
    limit = Image.MAX_IMAGE_PIXELS
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width} x {height} pixels: smaller than {MIN_SIDE} on a side")
    if limit is not None and width * height > limit:
        raise ImageError(f"{width} x {height} pixels: more than the limit of {limit}")


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF file whose pixels arrive as its tags describe them.

    Attributes:
        white_is_zero: the numbers of a deep grey image are still to be inverted.
        bits: a channel.
        separate: the channels of a deep image lie in planes of their own.
        signed: 8-bit numbers of which those above 127 stand for negative ones.
        largest_stated: the tag MaxSampleValue, or None.
    """

    white_is_zero: bool
    bits: int
    separate: bool
    signed: bool
    largest_stated: int | None

    def _setup(self) -> None:
        tags = self.tag_v2
        self.bits = max(_numbers(tags.get(TiffImagePlugin.BITSPERSAMPLE, 1)))
        stated = _numbers(tags.get(Base.MaxSampleValue, ()))
        self.largest_stated = max(stated, default=None)
        if tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) == 1:
            # One channel lies in one plane whatever is said; Pillow misreads it in "planes".
            tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 1
        photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
        # Pillow inverts up to 8 bits; of more it knows few kinds, and takes those as they are.
        self.white_is_zero = photometric == _WHITE_IS_ZERO and self.bits > 8
        if self.white_is_zero:
            tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = _BLACK_IS_ZERO
        try:
            super()._setup()
        except SyntaxError as error:
            if "unknown pixel mode" not in str(error):
                raise
            raise ImageError(
                f"TIFF pixels of a kind that cannot be read ({self.bits} bits a channel): convert "
                "it to 8- or 16-bit grey or RGB"
            ) from None
        formats = _numbers(tags.get(TiffImagePlugin.SAMPLEFORMAT, 1))
        self.signed = self.bits == 8 and _SIGNED in formats
        self._mend_tiles()
        self._mend_palette()

    def _mend_tiles(self) -> None:
        self.separate = self.bits == 16 and self._planar_configuration == 2
        if self.use_load_libtiff:
            raw = raw_mode(self)
            unpack_as(self, _NATIVE.get(raw, raw))
        elif self.separate:  # Pillow reads these as 8-bit planes
            order = ";16L" if self.tag_v2.prefix == b"II" else ";16B"
            unpack_as(self, *(raw + order for raw in raw_modes(self)))

    def _mend_palette(self) -> None:
        # The colours of a palette have 16 bits, but some writers put 8-bit ones there; libtiff
        # takes a palette without any larger number for one of these, and Pillow for black.
        if self.mode in {"P", "PA"}:
            colours = self.tag_v2[TiffImagePlugin.COLORMAP]
            if max(colours) < 256:
                self.palette = ImagePalette.raw("RGB;L", tuple(colours))


_OPENERS: Final[tuple[tuple[bytes | tuple[bytes, ...], type[ImageFile.ImageFile]], ...]] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (PNG, PngImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (_TIFF, TiffFile),
    (_DIB, BmpImagePlugin.DibImageFile),
)


def open_image(file: IO[bytes]) -> ImageFile.ImageFile:
    """Read the header of a PNG, JPEG, BMP, TIFF or WebP file, at whose start `file` stands.

    `Image.open` would do, but it hides the reason why a header is bad, and its check of the size
    hides the size. Without it, a JPEG with several pictures (MPO) is simply JPEG: the first.

    Raises ImageError for any other content, for a size that is not allowed and for an animation,
    and whatever Pillow raises for a damaged header.
    """
    opener = _opener(file.read(_START))
    file.seek(0)
    if opener is None:
        raise ImageError("not an image (PNG, JPEG, BMP, TIFF or WebP)")
    image = opener(file)
    check_size(*image.size)
    # The pages of a TIFF are taken for what comes after the picture; frames make up one picture.
    if getattr(image, "is_animated", False) and not isinstance(image, TiffFile):
        count = getattr(image, "n_frames", "several")
        raise ImageError(f"{count} frames: give one image per file")
    return image


def is_readable(content: bytes) -> bool:
    """Tell by how its content starts whether a file is of a format that can be read."""
    return _opener(content[:_START]) is not None


def _opener(start: bytes) -> type[ImageFile.ImageFile] | None:
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return WebPImageFile
    return next((opener for mark, opener in _OPENERS if start.startswith(mark)), None)


def channel_bits(image: ImageFile.ImageFile) -> int:
    """Return how many bits an integer channel of an opened file has; 8 for fewer and for floats."""
    if isinstance(image, TiffFile):
        return 8 if image.mode == "F" else max(image.bits, 8)
    if isinstance(image, PngImageFile):
        return 16 if raw_mode(image).endswith(";16B") else 8
    return 8


def raw_modes(image: ImageFile.ImageFile) -> list[str]:
    """Return how Pillow would unpack each tile of an opened file that is not loaded yet."""
    every: list[Any] = [tile.args for tile in image.tile]
    return [args if isinstance(args, str) else str(args[0]) for args in every]


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how Pillow would unpack the first tile; "" for a loaded image."""
    return next(iter(raw_modes(image)), "")


def unpack_as(image: ImageFile.ImageFile, *raws: str) -> None:
    """Have Pillow unpack an opened file in another way: one for all tiles, or one for each."""
    for i, tile in enumerate(image.tile):
        raw, args = raws[i if len(raws) > 1 else 0], tile.args
        image.tile[i] = tile._replace(args=(raw, *args[1:]) if isinstance(args, tuple) else raw)


def white_is_zero(image: Image.Image) -> bool:
    """Tell whether the numbers of a deep or floating point grey image are still to be inverted."""
    if isinstance(image, TiffFile):
        return image.white_is_zero
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # as others opened it
        return image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    return False


def has_several_pages(image: ImageFile.ImageFile) -> bool:
    """Tell whether an opened file is a TIFF of which only the first page is looked at."""
    return isinstance(image, TiffFile) and bool(image.is_animated)


def is_deep_file(content: bytes) -> bool:
    """Tell whether an image file has integers of more than 8 bits a channel; never fails."""
    if content.startswith(PNG):
        return content[24:25] == b"\x10"  # of IHDR, which always comes first
    if content.startswith(_TIFF):
        with suppress(Exception), quiet():  # a bad header is reported on decoding
            return channel_bits(open_image(BytesIO(content))) > 8
    return False


def _numbers(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(v for v in values if isinstance(v, int))
