"""``review``: a person marks a few images, on a local page or in a table."""

from __future__ import annotations

import getpass
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.destinations import check_file, check_folder
from twofold.cli.options import (
    LAST_STATE,
    FalseAlarmRate,
    Json,
    Mask,
    Strict,
    Weights,
    as_input,
    load_detector,
)
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.cli.rates import rate_lines
from twofold.defaults import DEFAULT_MARKS
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.review.sample import Sample
    from twofold.review.session import Session

__all__ = ["review"]


@command
def review(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    images: Annotated[list[str], typer.Argument(help="Folders, files, globs or manifests.")],
    out: Annotated[str, typer.Option(help="CSV file of the marks; begun, or gone on with.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Who marks.", show_default="the name of the user")
    ] = None,
    marks: Annotated[
        int, typer.Option(min=1, help="Marks that are planned; more or fewer may be made.")
    ] = DEFAULT_MARKS,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address of the page.")
    ] = False,
    export: Annotated[
        str | None,
        typer.Option(help="Folder for copies of the images and a table to fill in; no page."),
    ] = None,
    import_: Annotated[
        str | None, typer.Option("--import", help="Such a table, filled in; no page.")
    ] = None,
    random_state: Annotated[
        int | None,
        typer.Option(min=0, max=LAST_STATE, help="Of the draw of images.", show_default="0"),
    ] = None,
    false_alarm_rate: FalseAlarmRate = None,
    weights: Weights = None,
    mask: Mask = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Mark a few images on a local page, and see what the marks say about all of them."""
    from twofold.review.session import check_reviewer  # noqa: PLC0415 - slow to import

    check_file("--out", out)
    check_folder("--export", export)
    if export is not None and import_ is not None:
        raise UsageError("--export and --import: give one of them")
    name = check_reviewer(_user() if reviewer is None else reviewer)
    if export is not None:
        from twofold.review.sheet import check_no_sheet  # noqa: PLC0415 - slow to import

        check_no_sheet(Path(export))
    elif import_ is None:
        import twofold.review.server  # noqa: F401, PLC0415 - whether it is there, before the work
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress, mask)
        from twofold.review.sample import open_sample  # noqa: PLC0415

        given = as_input(images)
        sample = open_sample(
            detector, model, given, Path(out), random_state, false_alarm_rate=false_alarm_rate
        )
    for note in sample.notes:
        say(note if note.startswith("skipped ") else f"note: {note}")
    session = _begin(sample, Path(out), name, marks)
    result: dict[str, Any] = {"model": model, "out": out}
    if export is not None:
        result |= _export(sample, Path(export), session.planned)
    elif import_ is not None:
        result |= _import(sample, Path(import_), Path(out), name)
    else:
        result |= _serve(sample, session, port, no_browser=no_browser)
    _tell(session, result, out, as_json=as_json)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, in some containers
        return "reviewer"


def _begin(sample: Sample, out: Path, reviewer: str, planned: int) -> Session:
    from twofold.review.session import Session  # noqa: PLC0415 - slow to import

    session = Session(out, sample.document, reviewer, planned, has_maps=sample.gallery.has_maps)
    if sample.continued:
        done = session.state()["done"]
        say(f"{out}: goes on with the images as scored before; {reviewer} has marked {done}")
    return session


def _export(sample: Sample, folder: Path, n: int) -> dict[str, Any]:
    from twofold.review.sheet import SHEET, export_sheet  # noqa: PLC0415 - slow to import

    written = export_sheet(sample, folder, n)
    say(
        f"{folder}: {written} images and {SHEET}. Write normal, anomalous or unsure into its "
        f"column mark; then --import {folder / SHEET} instead of --export takes it back"
    )
    return {"export": str(folder), "n_exported": written}


def _import(sample: Sample, table: Path, out: Path, reviewer: str) -> dict[str, Any]:
    from twofold.marks import MarksFile  # noqa: PLC0415 - slow to import
    from twofold.review.sheet import import_sheet  # noqa: PLC0415

    found = import_sheet(sample, table, MarksFile(out), reviewer)
    say(
        f"{table}: {found.written} marks taken over, {found.there} were there already, "
        f"{found.empty} rows are empty"
    )
    return {"import": str(table), "n_imported": found.written}


def _serve(sample: Sample, session: Session, port: int, *, no_browser: bool) -> dict[str, Any]:
    from twofold.review.server import ReviewServer  # noqa: PLC0415 - slow to import

    server = ReviewServer(session, sample.gallery, port, say)
    address = server.access.address
    say(f"open {address} (once; Ctrl+C here ends it, the marks stay)")
    if sys.stdout.isatty() and not no_browser:
        # Some browsers run in the terminal and come back only at their end.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.run()
    return {"address": f"http://127.0.0.1:{server.access.port}/"}


def _tell(session: Session, result: dict[str, Any], out: str, *, as_json: bool) -> None:
    """What the marks say, and how to go on."""
    from twofold.marks import RATES, Estimate  # noqa: PLC0415 - imports scipy

    summary = session.summary()
    if as_json:
        print_json(result | summary)
        return
    done, planned = summary["marked_by_reviewer"], summary["planned"]
    typer.echo(
        f"{out}: {summary['n_marked']} of {summary['n_images']} images marked, "
        f"{summary['n_unsure']} unsure, {summary['n_disagreements']} disagreements"
    )
    rates = {name: Estimate(**summary[name]) for name in RATES}
    for line in rate_lines({name: rate for name, rate in rates.items() if rate.value is not None}):
        typer.echo(line)
    if done < planned:
        say(f"{session.reviewer} has marked {done} of {planned}; the same command goes on")
