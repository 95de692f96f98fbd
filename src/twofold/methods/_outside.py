"""Scores from a fit that are asked for again right after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from twofold.encoders.encode import EncodedImages

__all__ = ["Outside", "identity"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outside(Generic[T]):
    """Scores by fits that have not seen their image, and of which images they are.

    Attributes:
        scores: one or more arrays, by the method.
        digests: of the images that they depend on.
        random_state: of the folds.
    """

    scores: T
    digests: tuple[str, ...]
    random_state: int

    def are_of(self, digests: tuple[str, ...], random_state: int) -> bool:
        """Whether the same images and folds would give the same scores."""
        return (self.digests, self.random_state) == (digests, random_state)


def identity(*sets: EncodedImages) -> tuple[str, ...]:
    """What scores from folds of some sets of images depend on: their content and their groups."""
    return tuple(
        part for images in sets for part in (*images.digests, *map(str, images.grouping()))
    )
