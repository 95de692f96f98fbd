"""Options of `auto`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, field_validator

from twofold.encoders.patches import patches_name
from twofold.encoders.scales import pooled_name
from twofold.encoders.sides import Side, at_side
from twofold.methods.density import DensityConfig
from twofold.methods.views.pooling import ImageScore

__all__ = [
    "LEAST_SIDE",
    "MOST_SIDE",
    "STEP",
    "AutoConfig",
    "Effort",
    "Locality",
    "Places",
    "halved",
]

Locality = Literal["global", "local", "both"]
Places = Literal["each", "shared", "none"]
Effort = Literal["fast", "balanced", "thorough"]
LEAST_SIDE, MOST_SIDE = 64, 16384
"""Sides in pixels at which patches may see an image."""
STEP = 32
"""Sides that nobody gave are multiples of it, as the encoders' deepest maps."""
Pixels = Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)]

# With places a neighbourhood forgives a displacement by one, as in PatchCore; without them there is
# none to forgive, and an average over neighbours hides a small flaw (docs/eyes.md).
_NEIGHBOURHOOD = {"each": 3, "shared": 3, "none": 1}


class AutoConfig(DensityConfig):
    """What `auto` looks at; the rest it settles itself, without labels."""

    # Nobody knows beforehand whether anomalies are other things or flaws of the same thing.
    locality: Locality = "both"
    # Sizes at which whole images are seen, half an octave apart. The encoder was trained on things
    # that fill the picture more or less; one that is drawn in few lines it knows better smaller.
    scales: int = Field(default=2, ge=1, le=3)
    # Longer side in pixels at which patches see an image, or width and height. "auto": that of the
    # images, as far as the effort goes, where patches are seen without places; else the encoder's
    # own, which None stands for. "native": that of the images. With places it is a square.
    image_size: Pixels | tuple[Pixels, Pixels] | Literal["auto", "native"] | None = "auto"
    # Sizes at which patches without places see an image that is larger than the encoder's own, an
    # octave apart. Small flaws show at its own size, large ones or other parts at half of it.
    patch_scales: int = Field(default=2, ge=1, le=4)
    # None: the stage maps of strides 8 and 16, or all an encoder has.
    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    # Side of the square of places that patches are averaged over; None: 3, without places 1.
    neighbourhood: int | None = Field(default=None, ge=1, le=15)
    # "each" place has its own Gaussian; "none" is for structures that may lie anywhere: a bank of
    # normal patches (docs/eyes.md); "shared" for surfaces such as cloth (docs/local.md). "auto":
    # "each", or "none" with patches alone where that sees made-up flaws far better.
    places: Places | Literal["auto"] = "auto"
    # None: by the likelihood of presumed normals that were held out.
    source_weight: float | None = Field(default=None, ge=0, le=1)
    # None: by how much the place explains of a patch.
    local_weight: float | None = Field(default=None, ge=0, le=1)
    # How patches make up the score of an image. "oddest": the mean of the three oddest; "peak": the
    # oddest; "size": the window of 1, 2, 4 or 8 places a side that is oddest for its size.
    image_score: ImageScore = "oddest"
    # What may be spent on a choice: "fast" makes none and knows no smallest flaw; "balanced" sees
    # patches without places at up to 1,024 pixels a side, "thorough" at up to 2,048.
    effort: Effort = "balanced"

    @field_validator("image_size", mode="before")
    @classmethod
    def _known_size(cls, given: Any) -> Any:
        """One message for all of its forms."""
        if given is None or (isinstance(given, str) and given in ("auto", "native")):
            return given
        sides = given if isinstance(given, list | tuple) and len(given) == 2 else (given,)
        whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
        if whole and all(LEAST_SIDE <= side <= MOST_SIDE for side in sides):
            return given
        raise ValueError(
            f"must be auto, native, {LEAST_SIDE} to {MOST_SIDE} pixels, or [width,height]"
        )

    def settled(self, places: Places = "each", side: Side | None = None) -> Self:
        """These options with ``places`` and ``side`` where nothing is given.

        Args:
            places: for "auto".
            side: in pixels, for what is no width and height; None is the encoder's own for "auto"
                and "native", and leaves a number as it is.
        """
        chosen = places if self.places == "auto" else self.places
        open_side = side is not None or self.image_size in ("auto", "native")
        neighbourhood = self.neighbourhood or _NEIGHBOURHOOD[chosen]
        update = {
            "places": chosen,
            "image_size": side if open_side else self.image_size,
            "neighbourhood": neighbourhood,
        }
        return self.model_copy(update=update)

    def longer_side(self) -> int | None:
        """In pixels, of settled options; None is the encoder's own."""
        size = self.image_size
        assert not isinstance(size, str)
        return max(size) if isinstance(size, tuple) else size

    def outputs(self) -> tuple[str, ...]:
        """Whole vectors, patches, or both."""
        whole, local = self.pooled(), self.patch_sizes()
        return {"global": whole, "local": local}.get(self.locality, whole + local)

    def has_maps(self) -> bool:
        """Wherever it looks at patches."""
        return self.locality != "global"

    def pooled(self) -> tuple[str, ...]:
        """Names of the whole-image vectors, largest scale first."""
        return tuple(pooled_name(step) for step in range(self.scales))

    def patches(self) -> str:
        """Name of the patch features, at the finest size."""
        return self.patch_sizes()[0]

    def patch_sizes(self) -> tuple[str, ...]:
        """Names of the patch features at each size, finest first."""
        own = self.settled()
        assert own.neighbourhood is not None
        name = patches_name(own.layers, own.neighbourhood)
        return tuple(at_side(name, side) for side in own.sides())

    def sides(self) -> tuple[Side | None, ...]:
        """Sizes in pixels at which patches are seen, of settled options, finest first.

        None is the encoder's own. With places, and under ``effort=fast``, there is one.
        """
        side = self.image_size
        assert not isinstance(side, str)
        if self.places != "none" or self.effort == "fast" or side is None:
            return (side,)
        sides: list[Side] = [side]
        while len(sides) < self.patch_scales and (half := halved(sides[-1])) is not None:
            sides.append(half)
        return tuple(sides)


def halved(side: Side) -> Side | None:
    """A size an octave below, rounded to a multiple of 32; None where it would be too small."""
    if isinstance(side, int):
        half = round(side / 2 / STEP) * STEP
        return half if half >= LEAST_SIDE else None
    width, height = halved(side[0]), halved(side[1])
    if width is None or height is None:
        return None
    return cast(tuple[int, int], (width, height))
