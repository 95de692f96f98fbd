"""Filling a network with the tensors of a checkpoint, which must fit it to the last name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.deferred import deferred
from twofold.encoders.layouts import Layout, layout_of
from twofold.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = deferred("torch")

__all__ = ["Wanted", "fill", "plain_names"]

# Kinds of numbers that checkpoints are published in and every operation here understands.
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32")


@dataclass(frozen=True)
class Wanted:
    """What a checkpoint is to hold.

    Attributes:
        name: of the network, for people.
        place: where the file that fits is published, in words.
        layout: name of the layout whose tensors have the network's own names.
        layouts: the others that are understood.
        ignored: prefixes of published tensors that are not needed.
    """

    name: str
    place: str
    layout: str
    layouts: tuple[Layout, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def fitting(self) -> str:
        """The file that fits, and the layouts in which it may come."""
        names = dict.fromkeys([self.layout, *(layout.name for layout in self.layouts)])
        return (
            f"what fits is {self.place}, or the same weights in another layout of "
            f"{', '.join(names)}"
        )


def plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefix that networks trained on several devices put before every name."""
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def fill(native: nn.Module, tensors: Mapping[str, Tensor], wanted: Wanted, origin: Path) -> str:
    """Fill a network, and return the name of the layout that the tensors had.

    Raises:
        WeightsError: they do not fit.
    """
    expected = native.state_dict()
    tensors = plain_names(tensors)
    layout = layout_of(tensors, wanted.layouts)
    if layout is not None:
        tensors = _converted(native, tensors, layout, wanted, origin)
    given = {
        name: tensor
        for name, tensor in tensors.items()
        if not (wanted.ignored and name.startswith(wanted.ignored))
    }
    _check(expected, given, wanted, origin)
    native.load_state_dict(given, strict=False)
    return wanted.layout if layout is None else layout.name


def _check(
    expected: Mapping[str, Tensor], given: Mapping[str, Tensor], wanted: Wanted, origin: Path
) -> None:
    # Older checkpoints do not carry this counter, and inference never reads it.
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    common = given.keys() & expected.keys()
    faults = {
        "lacks": expected.keys() - given.keys() - counters,
        "has unknown": given.keys() - expected.keys() - counters,
        "has misshapen": {n for n in common if given[n].shape != expected[n].shape},
        "has an unsupported type in": {n for n, t in given.items() if not _is_plain(t)},
    }
    for what, found in faults.items():
        if found:
            names = sorted(found)
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise WeightsError(
                f"{origin} does not fit {wanted.name}: it {what} {', '.join(names[:3])}{more}; "
                f"{wanted.fitting}"
            )
    if not all(bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise WeightsError(f"{origin} holds values that are not finite")


def _converted(
    native: nn.Module,
    tensors: Mapping[str, Tensor],
    layout: Layout,
    wanted: Wanted,
    origin: Path,
) -> Mapping[str, Tensor]:
    try:
        return layout.convert(tensors, native)
    except Exception as error:  # Whatever a conversion meant for one file does on another.
        reason = error if isinstance(error, ValueError) else repr(error)
        raise WeightsError(
            f"{origin} does not fit {wanted.name}: its layout is that of {layout.name}, but "
            f"{reason}; {wanted.fitting}"
        ) from error


def _is_plain(tensor: Tensor) -> bool:
    """Neither sparse, nor without content ("meta"), nor of an unusual kind of number."""
    plain = tensor.dtype in {getattr(torch, name) for name in _DTYPES}
    return plain and tensor.layout is torch.strided and not tensor.is_meta
