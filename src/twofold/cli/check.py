"""``check``: what can be said about two folders before any training."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.options import LAST_STATE, BitDepth, Json, Mask, Strict, Weights
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.cli.seeing import seeing
from twofold.defaults import DEFAULT_ENCODER, DEFAULT_FALSE_ALARM_RATE, DEFAULT_RANDOM_STATE

if TYPE_CHECKING:
    from twofold.detector.check import Check

__all__ = ["check"]

# By the first words of a verdict.
_NEXT = {
    "adapt": "fit a detector: twofold fit --source ... --target ... --out MODEL",
    "no shift": "a detector of the source will do: twofold fit --method frozen_source ...",
    "do not trust": "mend what is named above, or test a detector on images you have labelled: "
    "twofold evaluate",
}


@command
def check(
    source: Annotated[str, typer.Option(help="Normal images: folder, glob or manifest.")],
    target: Annotated[str, typer.Option(help="Unlabelled target images, given in the same ways.")],
    encoder: Annotated[str, typer.Option(help="See `twofold encoders`.")] = DEFAULT_ENCODER,
    weights: Weights = None,
    bit_depth: BitDepth = None,
    mask: Mask = None,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Share of false alarms a threshold would be wanted for.")
    ] = DEFAULT_FALSE_ALARM_RATE,
    random_state: Annotated[
        int, typer.Option(min=0, max=LAST_STATE, help="Same state, same figures.")
    ] = DEFAULT_RANDOM_STATE,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say without labels whether to adapt, and whether the result could be trusted."""
    from twofold.detector.check import check_pair  # noqa: PLC0415 - imports torch

    with progress_bar() as progress:
        found = check_pair(
            source,
            target,
            encoder=encoder,
            weights=weights,
            bit_depth=bit_depth,
            mask=mask,
            false_alarm_rate=false_alarm_rate,
            random_state=random_state,
            strict=strict,
            progress=progress,
        )
    for problem in found.problems:
        say(f"skipped {problem.path}: {problem.reason}")
    for note in found.notes:
        say(f"note: {note}")
    if as_json:
        print_json(asdict(found))
        return
    _print(found)


def _print(found: Check) -> None:
    typer.echo(f"verdict: {found.verdict}")
    for reason in found.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"what next: {_NEXT[found.verdict.partition(':')[0]]}")
    typer.echo(f"\n{found.n_source} source and {found.n_target} target images")
    for name, bits in zip(("source", "target"), found.bit_depths, strict=True):
        if bits is not None:
            typer.echo(f"{name} images with more than 8 bits are read with {bits} bits a channel")
    if found.cost is not None:
        typer.echo(found.cost.sentence())
    for line in seeing(found.choices, found.visible_flaws):
        typer.echo(line)
    facts = found.findings
    if facts is None:
        return
    stable = " ".join(f"{value:.2f}" for value in facts.stability)
    lines = (
        (
            "shift",
            f"AUROC {facts.shift_auroc:.2f} of telling source from target (0.5 guessing, 1 "
            f"always), p {facts.shift_p_value:.3f}",
        ),
        ("", f"MMD {facts.mmd:.3f} (0 none), p {facts.mmd_p_value:.3f}"),
        (
            "kinship",
            f"{facts.kinship:.2f} ({facts.kinship_low:.2f} to {facts.kinship_high:.2f}; does the "
            "target vary like the source? 0 no, 1 yes)",
        ),
        ("anomalies in target", "unknown without labels: look at the highest-ranked images"),
        (
            "one group or two",
            f"p {facts.two_modes_p_value:.3f} for one (small: two); the best split leaves "
            f"{facts.minor_share:.0%} on its smaller side",
        ),
        ("dominant cluster", f"{facts.dominant_share:.0%} of the target (the larger of two)"),
        ("its stability", f"{stable} with 2, 3, 5 clusters (1 always the same images)"),
        (
            "does adapting matter",
            f"tau {facts.kendall:.2f} of adapted scores and distances to the source (1 same order)",
        ),
        (
            "",
            f"{facts.top_overlap:.0%} of the oddest tenth in common "
            f"({facts.chance_overlap:.0%} by chance)",
        ),
    )
    for name, value in lines:
        typer.echo(f"{name:>21}  {value}")
    for name, images in (
        ("most like the source", facts.most_like_source),
        ("least like the source", facts.least_like_source),
    ):
        for place, image in enumerate(images):
            typer.echo(f"{name if place == 0 else '':>21}  {image}")
