"""``methods`` and ``doctor``."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from twofold import __version__
from twofold.cli.output import command, print_json, progress_bar
from twofold.deferred import installed_version
from twofold.errors import TwofoldError, UsageError

__all__ = ["Json", "doctor", "methods", "table"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table of text, on stdout."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    shown = Table(*headers)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)


@command
def methods(
    as_json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of the documentation.")
    ] = False,
) -> None:
    """List the detection methods and what each needs."""
    from twofold.method_table import METHODS, group_of  # noqa: PLC0415 - imports torch

    rows: list[dict[str, Any]] = []
    for name in METHODS.ids():
        method = METHODS.load(name)
        needs, more = sorted(method.needs), sorted(method.may_need)
        row = {"id": name, "group": group_of(name), "needs": needs, "may_need": more}
        rows.append(row | {"summary": method.summary})
    if as_json:
        print_json({"methods": rows})
        return
    headers = ("method", "group", "needs besides source normals", "summary")
    if markdown:
        lines = [headers, ("---",) * len(headers)]
        lines += [(f"`{r['id']}`", r["group"], _in_words(r), r["summary"]) for r in rows]
        typer.echo("\n".join(f"| {' | '.join(line)} |" for line in lines))
    else:
        table(headers, [(r["id"], r["group"], _in_words(r), r["summary"]) for r in rows])


def _in_words(row: dict[str, Any]) -> str:
    options = [f"{name} (optional)" for name in row["may_need"]]
    return ", ".join([*row["needs"], *options]).replace("_", " ") or "-"


@command
def doctor(
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Try how many calls and images at a time are fastest here, half a minute in which "
            "nothing else should run, and keep that in the cache.",
        ),
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what was measured: use the usual settings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this installation: versions, devices, weights, cache, speed."""
    if measure and forget:
        raise UsageError("give --measure or --forget, not both")
    rates = _measure() if measure else None
    if forget:
        from twofold.encoders.settings import forget_settings  # noqa: PLC0415

        forget_settings()
    report = _examine() | ({} if rates is None else {"measured": rates})
    if as_json:
        print_json(report)
    else:
        for row in report.pop("measured", ()):
            typer.echo(
                f"{row['images_per_second']:>10.1f} images/s  {row['streams']} at a time, "
                f"{row['group']} a call"
            )
        for name, value in report.items():
            typer.echo(f"{name:>22}  {value}")
    if report["problems"]:
        raise TwofoldError("; ".join(report["problems"]))


def _measure() -> list[dict[str, Any]]:
    """Try settings and keep the best; images per second of each."""
    from twofold.defaults import DEFAULT_ENCODER  # noqa: PLC0415
    from twofold.encoders.encoder import load_encoder  # noqa: PLC0415
    from twofold.encoders.measuring import measure  # noqa: PLC0415
    from twofold.encoders.settings import keep_settings  # noqa: PLC0415

    with progress_bar() as progress:
        found = measure(
            load_encoder(DEFAULT_ENCODER),
            progress=lambda done, total: progress("measure", done, total),
        )
    keep_settings(found.settings)
    return [
        {"streams": one.streams, "group": one.group, "images_per_second": round(rate, 1)}
        for one, rate in found.rates.items()
    ]


def _examine() -> dict[str, Any]:
    from twofold.defaults import DEFAULT_ENCODER  # noqa: PLC0415
    from twofold.encoders.cache import cache_folder, default_cache  # noqa: PLC0415
    from twofold.encoders.cuda import has_cuda  # noqa: PLC0415
    from twofold.encoders.settings import EngineSettings  # noqa: PLC0415

    problems: list[str] = []
    cache = default_cache()
    if cache is None and cache_folder() is not None:
        problems.append(f"the cache {cache_folder()} cannot be written: set TWOFOLD_CACHE")
    try:
        speed = _speed(DEFAULT_ENCODER)
    except TwofoldError as error:
        speed = None
        problems.append(str(error))
    return {
        "twofold": __version__,
        "python": platform.python_version(),
        "torch": installed_version("torch"),
        "openvino": version("openvino"),
        "cores": os.cpu_count(),
        "cuda": find_spec("torch") is not None and has_cuda(),
        "cache": None if cache is None else str(cache.path),
        "cache_bytes": 0 if cache is None else cache.size(),
        "default_encoder": DEFAULT_ENCODER,
        "images_per_second": speed,
        "settings": asdict(EngineSettings.here()),
        "problems": problems,
    }


def _speed(encoder: str) -> float:
    """Frozen encoding of ready tensors, images per second, over about a second."""
    import numpy as np  # noqa: PLC0415

    from twofold.encoders.encode import FrozenEncoder  # noqa: PLC0415
    from twofold.encoders.encoder import load_encoder  # noqa: PLC0415
    from twofold.images import ImageSet  # noqa: PLC0415

    loaded = load_encoder(encoder)
    side = loaded.spec.preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (128, side, side, 3), dtype=np.uint8)
    frozen = FrozenEncoder(loaded)
    images = ImageSet.from_array(noise)
    frozen.encode(images.subset(list(range(8))))  # Compiles.
    start = time.perf_counter()
    frozen.encode(images)
    return round(len(images) / (time.perf_counter() - start), 1)
