"""``certify``: what a person's marks prove of a model, as a document to hand over."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold import __version__
from twofold.cli.destinations import check_file
from twofold.cli.info import Json
from twofold.cli.output import command, print_json, say
from twofold.cli.rates import rate_lines
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.marks import Certificate

__all__ = ["certify"]


@command
def certify(
    model: Annotated[Path | None, typer.Argument(help="Folder written by `fit`.")] = None,
    marks: Annotated[
        Path | None, typer.Option(help="Marks of `twofold review`, their design beside them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The certificate to write: .json, .html or .pdf.")
    ] = None,
    max_missed: Annotated[
        float | None, typer.Option(help="Claim that at most this share of anomalies is missed.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the claim and of the intervals.")] = 0.95,
    verify: Annotated[
        Path | None,
        typer.Option(help="Check this certificate, against MODEL and --marks where given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write what marks prove of a model, or check such a certificate."""
    from twofold.certificates import (  # noqa: PLC0415 - imports scipy
        check_suffix,
        read_certificate,
        write_certificate,
    )
    from twofold.marks import MarksFile, check_against  # noqa: PLC0415
    from twofold.marks import certify as certificate_of  # noqa: PLC0415

    if verify is not None:
        found = read_certificate(verify)
        if marks is not None:
            check_against(found, MarksFile(marks))
        _check_model(model, found.model, verify)
        say(f"{verify}: unchanged since {found.created}")
    else:
        if model is None or marks is None or out is None:
            raise UsageError("certify needs MODEL, --marks and --out, or --verify")
        check_suffix(out)
        check_file("--out", out)
        file = MarksFile(marks)
        if file.document is not None:
            _check_model(model, file.document.model, marks)
        found = certificate_of(
            file,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=__version__,
            max_missed=max_missed,
            confidence=confidence,
        )
        write_certificate(found, out)
        say(f"wrote {out}")
    _tell(found, as_json)


def _check_model(model: Path | None, digest: str, where: Path) -> None:
    """Refuse a model that the marks or the certificate are not of."""
    from twofold.bundle import model_digest  # noqa: PLC0415

    if model is not None and model_digest(model) != digest:
        raise UsageError(f"{where}: is of another model than {model}, or of an older state of it")


def _tell(found: Certificate, as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for line in rate_lines(found.rates, found.level):
        typer.echo(line)
    if found.bound is not None:
        share, confidence = found.bound.max_missed, found.bound.confidence
        typer.echo(f"at most {share:.3g} of the anomalies are missed, confidence {confidence:.3g}")
