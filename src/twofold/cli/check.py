"""``check``: what can be said about two folders before any training."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import command, print_json, progress_bar, say
from twofold.cli.work import LAST_STATE, Json, Strict, Weights

if TYPE_CHECKING:
    from twofold.detector.check import Check

__all__ = ["check"]


@command
def check(
    source: Annotated[str, typer.Option(help="Normal images: folder, glob or manifest.")],
    target: Annotated[str, typer.Option(help="Unlabelled target images, likewise.")],
    encoder: Annotated[str, typer.Option(help="See `twofold encoders`.")] = "efficientnet_lite0",
    weights: Weights = None,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Share of false alarms a threshold would be wanted for.")
    ] = 0.05,
    random_state: Annotated[
        int, typer.Option(min=0, max=LAST_STATE, help="Same state, same figures.")
    ] = 0,
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
            false_alarm_rate=false_alarm_rate,
            random_state=random_state,
            strict=strict,
            progress=progress,
        )
    for problem in found.problems:
        say(f"skipped {problem.path}: {problem.reason}")
    if as_json:
        print_json(asdict(found))
        return
    _print(found)


def _print(found: Check) -> None:
    typer.echo(f"verdict: {found.verdict}")
    for reason in found.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"{found.n_source} source and {found.n_target} target images")
    facts = found.findings
    if facts is None:
        return
    low, share, high = (100 * value for value in found.contamination)
    lines = (
        (
            "shift",
            f"AUROC {facts.shift_auroc:.2f} (p {facts.shift_p_value:.3f}), MMD {facts.mmd:.3f}",
        ),
        ("kinship of variations", f"{facts.kinship:.2f} (0 chance, 1 as the target itself)"),
        ("dominant share (K = 2)", f"{100 * facts.dominant_share:.0f}%"),
        ("stability (K = 2, 3, 5)", " ".join(f"{value:.2f}" for value in facts.stability)),
        ("one mode", f"p {facts.two_modes_p_value:.3f}, minor side {100 * facts.minor_share:.0f}%"),
        ("contamination", f"at least about {share:.0f}% ({low:.0f}% to {high:.0f}%)"),
        (
            "adapted against source ranking",
            f"tau {facts.kendall:.2f}, {100 * facts.top_overlap:.0f}% of the top tenth in common",
        ),
    )
    for name, value in lines:
        typer.echo(f"{name:>32}  {value}")
    for name, images in (
        ("most like the source", facts.most_like_source),
        ("least like the source", facts.least_like_source),
    ):
        typer.echo(f"{name:>32}  {', '.join(images)}")
