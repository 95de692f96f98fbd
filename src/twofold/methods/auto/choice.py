"""Which way of looking suits the data, decided without labels; and how small a flaw it sees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.methods.auto.config import AutoConfig
from twofold.methods.auto.size import native_size
from twofold.methods.auto.trial import FlawTrial, make_trial, separation
from twofold.methods.auto.way import Way, fit_way
from twofold.methods.base import FitData
from twofold.methods.fit import MadeUpFlaws
from twofold.methods.progress import Steps
from twofold.synthetic import GRADES

__all__ = ["Settled", "settle"]

Mask = NDArray[np.bool_]

# A bank takes the place of both views where it makes at most half of their errors on made-up flaws.
# By less it does not count: made-up flaws favour fine patches, and of real anomalies some are other
# objects, which whole images see better. It makes .25 to .33 of them on boards, .54 to .64 on solar
# cells (which keep their places by the next rule), .9 and more on photographs and paintings.
_FEWER_ERRORS = 0.5
# Where the place says half of a patch or more, it is not given up: a bank does without it.
_PLACED = 0.5
# Images of either domain that a bank is tried with: its rows are chosen from some hundred patches
# of each image, and 128 tell as much as all.
_TRIED = 128


@dataclass(frozen=True)
class Settled:
    """What was decided.

    Attributes:
        way: fitted.
        choices: by name.
        made_up_flaws: how it scores made-up flaws; None where that is not known.
    """

    way: Way
    choices: dict[str, float] = field(default_factory=dict)
    made_up_flaws: MadeUpFlaws | None = None


def settle(
    way: Way, given: AutoConfig, encoder: Encoder, data: FitData, random_state: int, tell: Steps
) -> Settled:
    """Keep the first way of looking, or take a bank of patches instead.

    1. A few presumed normals are held out, and get made-up flaws of seven sizes.
    2. They are scored by models that have not seen them: the way's own less these images, as in
       its cross-fit (a bank leaves their patches aside). Its separation is the AUROC of flawed
       against clean images, mean over the sizes.
    3. If the options leave it open, and the place of a patch explains less than half of its
       variance, a bank of patches without places is fitted as well, at the side of the images. It
       takes over where its errors are half of the way's or less.

    Args:
        way: fitted to all of the pool.
        given: the options as the user gave them.
        encoder: of the images.
        data: with the way's outputs.
        random_state: of all draws.
        tell: told of up to three steps.

    Raises:
        ImageSourceError: an image has changed or gone meanwhile.
    """
    pool = data.pool
    kept = Settled(way, dict(way.choices))
    if given.effort == "fast":
        return kept
    normal = way.presumed_normal()
    trial = make_trial(pool, normal, random_state=random_state)
    if trial is None:
        return kept
    bank = _other(way, given, encoder, pool)
    if bank is not None:
        trial = replace(trial, outputs=(*way.config.outputs(), *bank.outputs()))
    first, flaws = _tried(way, trial)
    tell.step()
    choices = kept.choices | {"separation": first}
    kept = Settled(way, choices, flaws)
    if bank is None:
        return kept
    found = _separation_of(bank, trial, data, normal, random_state)
    choices["separation_without_places"] = found
    tell.step()
    if 1.0 - found > _FEWER_ERRORS * (1.0 - first):
        return kept
    return _changed(bank, trial, data, choices, random_state)


def _other(way: Way, given: AutoConfig, encoder: Encoder, pool: EncodedImages) -> AutoConfig | None:
    """The bank that may take a way's place; None where the options or the place leave none."""
    if given.places != "auto" or given.locality == "global":
        return None
    # Without a say of places there is none to give up.
    if way.views.local_weight > 0 and way.place_share() >= _PLACED:
        return None
    assert pool.originals is not None
    side = native_size(pool.originals.sizes(), encoder, given.effort)
    return given.settled("none", side).model_copy(update={"locality": "local"})


def _separation_of(
    bank: AutoConfig, trial: FlawTrial, data: FitData, normal: Mask, state: int
) -> float:
    """Separation of a bank of a few images."""
    few = _few(trial, data, normal, bank.outputs(), state)
    rows = fit_way(bank.model_copy(update={"trim": 0.0}), few, state, Steps(None, 2))
    return float(separation(*trial.scores(rows)).mean())


def _changed(
    config: AutoConfig, trial: FlawTrial, data: FitData, choices: dict[str, float], state: int
) -> Settled:
    """The other way, fitted to everything."""
    outputs = config.outputs()
    seen = replace(
        data,
        source=data.source.seen_as(outputs),
        target_pool=data.pool.seen_as(outputs),
    )
    way = fit_way(config, seen, state, Steps(None, 2))
    found, flaws = _tried(way, replace(trial, pool=seen.pool))
    side = config.longer_side()
    return Settled(
        way,
        {
            "separation": found,
            "separation_with_places": choices["separation"],
            **({} if side is None else {"image_size": float(side)}),
            **way.choices,
        },
        flaws,
    )


def _tried(way: Way, trial: FlawTrial) -> tuple[float, MadeUpFlaws]:
    """Separation of a way, and its scores of the flaws, by models that have not seen the images."""
    clean, flawed = trial.scores(way)
    assert way.own is not None
    flaws = MadeUpFlaws(np.array(GRADES), trial.sides(), flawed, way.own)
    return float(separation(clean, flawed).mean()), flaws


def _few(
    trial: FlawTrial, data: FitData, normal: Mask, outputs: tuple[str, ...], state: int
) -> FitData:
    """Some source images and presumed normals that were not held out, with other outputs."""
    rng = np.random.default_rng(state)
    staying = np.flatnonzero(~trial.held_out & normal)
    return replace(
        data,
        source=_some(data.source, np.arange(len(data.source)), rng).seen_as(outputs),
        target_pool=_some(trial.pool, staying, rng).seen_as(outputs),
    )


def _some(images: EncodedImages, rows: NDArray[np.intp], rng: np.random.Generator) -> EncodedImages:
    return images.subset(np.sort(rng.permutation(rows)[:_TRIED]))
