"""``bench``: methods on datasets, cell by cell."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.benchmark.results import RESULTS_FILE
from twofold.cli.destinations import check_file, check_folder
from twofold.cli.output import command, parse_options, parse_value, print_json, progress_bar, say
from twofold.defaults import DEFAULT_ANOMALY_SHARE, DEFAULT_N_SHOTS, DEFAULT_PRESET
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.benchmark.plan import Plan
    from twofold.benchmark.presets import Preset
    from twofold.benchmark.runner import Encoders
    from twofold.encoders.encoder import Encoder

__all__ = ["bench"]

_LIST = "comma-separated"


@command
def bench(
    dataset: Annotated[
        str, typer.Argument(help="office31, officehome, visda2017, pacs, pcb, elpv or folders.")
    ],
    root: Annotated[
        str | None, typer.Option(help="Folder of the dataset; else the variable TWOFOLD_<DATASET>.")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of results.jsonl; an earlier run goes on.")] = (
        "bench-out"
    ),
    methods: Annotated[str, typer.Option(help=f"Methods, {_LIST}, or all.")] = "all",
    directions: Annotated[
        str | None, typer.Option(help=f"SOURCE->TARGET (or SOURCE:TARGET), {_LIST}; else all.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help=f"Normal classes, {_LIST}; else all.")] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Repetitions; the preset's otherwise.")
    ] = None,
    anomaly_share: Annotated[
        str, typer.Option(help=f"Share of anomalies in the pool; several ({_LIST}) make a sweep.")
    ] = str(DEFAULT_ANOMALY_SHARE),
    pool_size: Annotated[
        str, typer.Option(help=f"Images of the pool, or all; several ({_LIST}) make a sweep.")
    ] = "all",
    shots: Annotated[
        int, typer.Option(min=0, help="Known target normals for few-shot.")
    ] = DEFAULT_N_SHOTS,
    protocol: Annotated[
        str | None,
        typer.Option(help="uda_inductive, uda_transductive, fewshot_msra; else the dataset's."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="smoke, cpu, as_printed, thorough or gpu.")
    ] = DEFAULT_PRESET,
    encoder: Annotated[
        str | None, typer.Option(help="Another encoder than the preset's; see `twofold encoders`.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Local file with its weights, or random (proves a path).")
    ] = None,
    selection_weights: Annotated[
        str | None, typer.Option(help="Local file with the weights of the encoder that psi names.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=32, help="Side of the encoder's input in pixels.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the methods that have it; repeatable.")
    ] = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="NAME=V1,V2,...: every combination; repeatable.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run cells again whose row says failed.")
    ] = False,
    log_best_epoch: Annotated[
        bool,
        typer.Option("--log-best-epoch", help="Also note the epoch that is best on the test."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Run methods on a benchmark dataset, a row for each cell; goes on where it stopped."""
    check_folder("--out", out)
    check_file("--out", Path(out) / RESULTS_FILE)
    chosen_options, chosen_grid = parse_options(option or []), _parse_grid(grid or [])
    shares, sizes = _shares(anomaly_share), _sizes(pool_size)
    from twofold.benchmark.presets import load_preset  # noqa: PLC0415 - imports torch

    base = _overridden(load_preset(preset), encoder, image_size)
    plan = _make_plan(
        dataset,
        root,
        base,
        methods=methods,
        options=chosen_options,
        grid=chosen_grid,
        directions=_split(directions),
        classes=_split(classes),
        runs=base.runs if runs is None else runs,
        protocol=protocol,
        anomaly_shares=shares,
        pool_sizes=sizes,
        n_shots=shots,
        log_best_epoch=log_best_epoch,
    )
    start = time.monotonic()
    counts = _run(plan, weights, selection_weights, Path(out), retry_failed=retry_failed)
    summary = {"out": out, "seconds": round(time.monotonic() - start, 1), **counts}
    if as_json:
        print_json(summary)
    else:
        typer.echo(
            f"{out}/results.jsonl: {counts['ok']} cells run, {counts['failed']} failed, "
            f"{counts['done']} there before, of {counts['total']}; next: twofold tables {out}"
        )


def _make_plan(
    dataset: str,
    root: str | None,
    preset: Preset,
    *,
    methods: str,
    options: dict[str, Any],
    grid: dict[str, list[Any]],
    directions: list[str],
    classes: list[str],
    protocol: str | None,
    **rest: Any,
) -> Plan:
    """The cells that are asked for; ``rest`` as in :class:`twofold.benchmark.plan.Plan`."""
    from twofold.benchmark.datasets import DATASETS  # noqa: PLC0415 - imports torch
    from twofold.benchmark.plan import (  # noqa: PLC0415
        Plan,
        make_variants,
        pick_classes,
        pick_directions,
    )
    from twofold.method_table import METHODS  # noqa: PLC0415

    adapter_class = DATASETS.load(dataset)
    names = METHODS.ids() if methods == "all" else _split(methods)
    variants = make_variants(names, preset, options, grid)
    if not root and adapter_class.needs_root:
        root = os.environ.get(f"TWOFOLD_{dataset.upper()}")
    adapter = adapter_class(Path(root) if root else None)
    return Plan(
        dataset=adapter,
        preset=preset,
        variants=variants,
        directions=pick_directions(adapter, directions),
        classes=pick_classes(adapter, classes),
        protocol=adapter.protocol if protocol is None else protocol,
        **rest,
    )


def _run(
    plan: Plan, weights: str | None, selection_weights: str | None, out: Path, *, retry_failed: bool
) -> dict[str, int]:
    """Load the networks, run the cells, show how far it is; their numbers by outcome."""
    from twofold.benchmark.runner import run_benchmark  # noqa: PLC0415 - imports torch

    encoders = _load_encoders(plan, weights, selection_weights)
    with progress_bar() as progress:
        return run_benchmark(
            plan, encoders, out, report=progress, tell=_teller(progress), retry_failed=retry_failed
        )


def _overridden(preset: Preset, encoder: str | None, image_size: int | None) -> Preset:
    if encoder is not None and encoder != preset.encoder:
        # The preset's size is a choice for its own encoder's speed, and some have only one.
        preset = replace(preset, encoder=encoder)
    return preset if image_size is None else replace(preset, image_size=image_size)


def _load_encoders(plan: Plan, weights: str | None, selection_weights: str | None) -> Encoders:
    from twofold.benchmark.runner import Encoders  # noqa: PLC0415 - imports torch
    from twofold.encoders.encoder import load_encoder  # noqa: PLC0415

    main = load_encoder(plan.preset.encoder, weights)
    if plan.preset.image_size is not None:
        main = main.at_size(plan.preset.image_size)
    named = {v.config.selection_encoder() for v in plan.variants} - {None}
    selection: dict[str, Encoder] = {}
    for name in sorted(map(str, named)):
        selection[name] = load_encoder(name, selection_weights)
    return Encoders(main, selection)


def _teller(
    progress: Callable[[str, int, int], None],
) -> Callable[[dict[str, Any], int, int], None]:
    """Report each cell: on the bar of a terminal, in a line of a log."""
    start, first = time.monotonic(), None

    def tell(row: dict[str, Any], done: int, total: int) -> None:
        nonlocal first
        first = done - 1 if first is None else first
        progress("cells", done, total)
        if row["status"] == "failed":
            outcome = f"failed: {row['error']}"
        else:
            outcome = f"AUROC {100 * row['auroc']:.1f}"
        left = (time.monotonic() - start) / (done - first) * (total - done) / 60
        if not sys.stderr.isatty() or row["status"] == "failed":
            say(
                f"[{done}/{total}] {row['dataset']} {row['direction']} {row['class']} "
                f"{row['label']} run {row['run']}: {outcome} ({row['seconds']:.1f} s), "
                f"{left:.0f} min left"
            )

    return tell


def _split(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _parse_grid(pairs: list[str]) -> dict[str, list[Any]]:
    grid: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name or not _split(text):
            raise UsageError(f"--grid {pair!r}: write it as NAME=V1,V2, e.g. n_clusters=2,5,10")
        grid[name] = [parse_value(part) for part in _split(text)]
    return grid


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in _split(text))
    except ValueError:
        shares = ()
    if not shares or not all(0 <= share < 1 for share in shares):
        raise UsageError(f"--anomaly-share {text!r}: give numbers of at least 0 and below 1")
    return shares


def _sizes(text: str) -> tuple[int | None, ...]:
    sizes: list[int | None] = []
    for part in _split(text):
        if part != "all" and not part.isdecimal():
            raise UsageError(f"--pool-size {text!r}: give whole numbers, or all")
        sizes.append(None if part == "all" else int(part))
    if not sizes:
        raise UsageError(f"--pool-size {text!r}: give whole numbers, or all")
    return tuple(sizes)
