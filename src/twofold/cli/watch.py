"""``watch``: files that come into a folder are scored, each exactly once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_parents
from twofold.cli.options import FalseAlarmRate, Json, Mask, Weights, load_detector
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.watch import Options, Summary

__all__ = ["watch"]


@command
def watch(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    folder: Annotated[str, typer.Argument(help="Folder into which images come.")],
    out: Annotated[
        str, typer.Option(help="Table that grows: a .csv file, a .parquet folder, sqlite:///FILE.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Score what is there and complete, and end.")
    ] = False,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Never score what is there at the very first start.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Then move files into ok/, ng/ and bad/ of the folder.")
    ] = False,
    poll: Annotated[
        float | None,
        typer.Option(
            help="Look at the folder every so many seconds.",
            show_default="told by the system; on a network 5",
        ),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Be told by the system, whatever the folder lies on.")
    ] = False,
    settle: Annotated[
        float, typer.Option(help="Seconds for which a file stays as it is before it is complete.")
    ] = 2.0,
    batch: Annotated[int, typer.Option(help="Images scored at a time, at most.")] = 64,
    webhook: Annotated[
        str | None, typer.Option(help="Address that gets each result as JSON, by HTTP POST.")
    ] = None,
    webhook_token_file: Annotated[
        str | None,
        typer.Option(
            help="File with the token for it, on one line.",
            show_default="the variable TWOFOLD_WEBHOOK_TOKEN",
        ),
    ] = None,
    false_alarm_rate: FalseAlarmRate = None,
    weights: Weights = None,
    mask: Mask = None,
    as_json: Json = False,
) -> None:
    """Score the files that come into a folder, each exactly once."""
    if webhook_token_file is not None and webhook is None:
        raise UsageError("--webhook-token-file needs --webhook URL")
    from twofold.watch import Options, find_out, find_webhook, open_watcher  # noqa: PLC0415

    table = find_out(out)
    check_parents("--out", table.path)
    options = Options(
        only_new=only_new,
        move=move,
        once=once,
        poll=poll,
        events=events,
        settle=settle,
        batch=batch,
        webhook=None if webhook is None else find_webhook(webhook, webhook_token_file),
    )
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict=False, progress=progress, mask=mask)
    # What comes is seen once, and nothing of it stays.
    detector.progress, detector.cached = None, False
    if false_alarm_rate is not None:
        detector.set_false_alarm_rate(false_alarm_rate)
    settings = {
        "false alarm rate": "" if false_alarm_rate is None else str(false_alarm_rate),
        "mask": mask or "",
    }
    with open_watcher(
        detector, model, folder, table, options, settings=settings, say=say
    ) as watcher:
        summary = watcher.run()
    _tell(model, folder, out, summary, options, as_json=as_json)


def _tell(
    model: str, folder: str, out: str, summary: Summary, options: Options, *, as_json: bool
) -> None:
    """What was done, at the end."""
    if as_json:
        print_json({"model": model, "folder": folder, "out": out, **asdict(summary)})
        return
    typer.echo(
        f"{out}: {summary.scored} images scored, {summary.anomalous} anomalous, "
        f"{summary.unusable} unusable; {summary.results} rows in all"
    )
    if options.once and summary.still_written:
        say(f"{summary.still_written} files are still being written; the next run takes them")
    if summary.messages_waiting:
        say(f"{summary.messages_waiting} messages wait; the next start sends them")
