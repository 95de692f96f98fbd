"""What is known about an encoder before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from twofold.encoders.layouts import Layout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from twofold.encoders.backbone import Backbone

__all__ = [
    "EncoderSpec",
    "HubWeights",
    "Network",
    "PackagedWeights",
    "Preprocessing",
    "TextTower",
    "Trainable",
]

Trainable = Literal["head", "last_stage", "all"]
"""How much of an encoder trains: a new linear head, the last stage and what follows, or all."""


@dataclass(frozen=True)
class Preprocessing:
    """From a decoded RGB image to the network's input.

    The whole image is resized to the input, without a crop: a crop of the usual 87.5% would hide a
    quarter of the area, and a defect in it could never be seen.

    Attributes:
        size: height of the input in pixels, and its width where none is given; a multiple of 32 is
            not required.
        mean: per channel, in units of the 0..255 pixel values.
        std: per channel, in the same units.
        interpolation: the filter the weights were trained with.
        width: of the input in pixels; None is a square.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    width: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return self.size, self.size if self.width is None else self.width

    @property
    def least_side(self) -> int:
        """Pixels below which no side of a large JPEG falls that shrinks while it is decoded.

        Twice the longer side of the input, so that the resize that follows still sees every detail
        it can keep.
        """
        return 2 * max(self.shape)

    def identity(self) -> dict[str, Any]:
        """Everything that decides about its result, as plain content."""
        fields = asdict(self)
        if self.width is None:
            del fields["width"]
        return fields


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that an installed Python package carries, so that no network is needed.

    Attributes:
        distribution: name on the package index.
        module: import name.
        file: path of the weights inside the module's folder.
        sha256: of that file.
        layouts: of checkpoints besides that of the native names.
    """

    distribution: str
    module: str
    file: str
    sha256: str
    layouts: tuple[Layout, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class HubWeights:
    """Weights on the Hugging Face hub: fetched on first use, or given as a local file.

    Attributes:
        repository: e.g. ``timm/resnet18.a1_in1k``.
        file: the file in it.
        layouts: of checkpoints besides that of the native names.
    """

    repository: str
    file: str = "model.safetensors"
    layouts: tuple[Layout, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Network:
    """A network twice: as its library names its tensors, and as a chain of segments.

    Both share the same parameters, so weights loaded into one are those of the other.

    Attributes:
        native: the module whose state dict carries the library's tensor names.
        backbone: the chain; it ends in the pooled vector.
        ignored: prefixes of published tensors that this use has no need of (the classifier).
    """

    native: nn.Module
    backbone: Backbone
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextTower:
    """The network beside an image encoder that maps texts into the same space.

    Attributes:
        build: makes the network with random weights; its state dict carries the library's names.
        encode: a built network and a text -> the text's vector, float32 (d,).
        layouts: of checkpoints that hold both towers; each mark stands for the text tower.
    """

    build: Callable[[], nn.Module]
    encode: Callable[[nn.Module, str], Tensor]
    layouts: tuple[Layout, ...]


@dataclass(frozen=True)
class EncoderSpec:
    """One registered encoder.

    Attributes:
        id: the public name.
        architecture: the network's name in the library that defines it.
        feature_dim: length of the pooled vector.
        map_channels: stride in pixels -> channels of the stage map at that stride.
        preprocessing: see :class:`Preprocessing`.
        licence: of the weights.
        weights: where they come from.
        build: makes the network with random weights.
        summary: one line for people.
        any_size: whether other input sizes than the preprocessing's work.
        patch: side in pixels of a transformer's patches, of which sides of inputs are multiples and
            each of which sees the whole image; None for convolutions.
        layout: name of the layout that checkpoints with the native names have.
        text: its text tower, if it has one; built only where a text is asked for.
    """

    id: str
    architecture: str
    feature_dim: int
    map_channels: Mapping[int, int]
    preprocessing: Preprocessing
    licence: str
    weights: PackagedWeights | HubWeights
    build: Callable[[], Network] = field(compare=False)
    summary: str = ""
    any_size: bool = True
    patch: int | None = None
    layout: str = "timm"
    text: TextTower | None = field(default=None, compare=False)
