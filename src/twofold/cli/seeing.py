"""How a detector looks at images, and how small a flaw it sees, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from twofold.words import percent

if TYPE_CHECKING:
    from twofold.evidence import VisibleFlaws

__all__ = ["seeing"]


def seeing(choices: Mapping[str, float], flaws: VisibleFlaws | None) -> Iterator[str]:
    """Lines for people; none where nothing was settled.

    Args:
        choices: that the method settled.
        flaws: how it sees made-up flaws.
    """
    if "separation_with_places" in choices:
        side = choices.get("image_size")
        at = "" if side is None else f" at {side:.0f} px"
        yield (
            f"sees patches{at}, wherever they lie: made-up flaws at an AUROC of "
            f"{choices['separation']:.2f}, not {choices['separation_with_places']:.2f}"
        )
    if flaws is not None:
        yield flaws.sentence()
        yield (
            f"  (painted on {flaws.n_images} images that look normal, at "
            f"{percent(flaws.false_alarm_rate)} false alarms; real flaws may be harder to see)"
        )
