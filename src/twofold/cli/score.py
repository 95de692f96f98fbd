"""``score``: scores, pictures and boxes of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.destinations import check_file, check_folder
from twofold.cli.on_ray import (
    Address,
    EngineName,
    RayOptions,
    RowsAShard,
    WorkerCpus,
    Workers,
    as_row,
    check_engine,
    tell,
)
from twofold.cli.options import FalseAlarmRate, Json, Mask, Strict, Weights, as_input, load_detector
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.defaults import DEFAULT_ROWS_A_SHARD
from twofold.errors import TwofoldError, UsageError
from twofold.files import write_whole
from twofold.parquet import is_parquet, parquet_bytes, require_pyarrow
from twofold.spreadsheet import csv_text

if TYPE_CHECKING:
    from twofold.cli.maps import MapWriter
    from twofold.cli.regions import RegionWriter
    from twofold.detector import Detector, Scores
    from twofold.detector.maps import ImageMap

__all__ = ["score"]

_FIELDS = ("image", "score", "percentile", "anomalous", "problem")


@command
def score(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    images: Annotated[list[str], typer.Argument(help="Folders, files, globs or manifests.")],
    out: Annotated[
        str | None,
        typer.Option(
            help="CSV or .parquet file, CSV on stdout when left out; with --engine ray a folder."
        ),
    ] = None,
    false_alarm_rate: FalseAlarmRate = None,
    false_discovery_rate: Annotated[
        float | None,
        typer.Option(help="Decide on all images together: stated share of normals among alarms."),
    ] = None,
    maps: Annotated[
        str | None, typer.Option(help="Folder for pictures of where the anomalies are, as PNG.")
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(help="File for boxes of what is odd: CSV, or COCO if it ends in .json."),
    ] = None,
    region_rate: Annotated[
        float | None,
        typer.Option(
            help="Stated number of false regions a normal image.",
            show_default="the rate of the model",
        ),
    ] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = 1,
    rows_a_shard: RowsAShard = DEFAULT_ROWS_A_SHARD,
    weights: Weights = None,
    mask: Mask = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Score images: image,score,percentile,anomalous,problem."""
    if check_engine(engine, {"--address": address is not None, "--workers": workers is not None}):
        _refuse(
            {"--maps": maps, "--regions": regions, "--false-discovery-rate": false_discovery_rate}
        )
        given = RayOptions(address, workers, worker_cpus, rows_a_shard)
        _score_on_ray(
            model, images, out, given, (weights, mask, false_alarm_rate, strict), as_json=as_json
        )
        return
    check_file("--out", out)
    if out is not None and is_parquet(out):
        require_pyarrow()  # before the work
    check_folder("--maps", maps)
    check_file("--regions", regions)
    if region_rate is not None and regions is None:
        raise UsageError("--region-rate needs --regions FILE")
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress, mask)
        places = _Places.of(detector, maps, regions, region_rate)
        result = detector.score(
            as_input(images),
            false_alarm_rate=false_alarm_rate,
            false_discovery_rate=false_discovery_rate,
            each_map=places.look(),
        )
    for note in result.notes:
        say(f"note: {note}")
    for problem in result.problems:
        say(f"skipped {problem.path}: {problem.reason}")
    places.finish(result)
    _tell(model, result, out, as_json=as_json)
    if not result.usable.any():
        raise TwofoldError("none of the images can be used")


def _refuse(options: dict[str, object]) -> None:
    """Raise UsageError for what no shard can know or write for itself."""
    for option, given in options.items():
        if given is not None:
            raise UsageError(f"{option} needs --engine local")


def _score_on_ray(
    model: str,
    images: list[str],
    out: str | None,
    given: RayOptions,
    options: tuple[str | None, str | None, float | None, bool],
    *,
    as_json: bool,
) -> None:
    """Scores as a folder of Parquet, by the workers of a cluster."""
    if out is None:
        raise UsageError("--engine ray needs --out FOLDER")
    check_folder("--out", out)
    from twofold.cluster import ScoreJob  # noqa: PLC0415 - slow to import
    from twofold.cluster.sources import find_sources  # noqa: PLC0415

    weights, mask, rate, strict = options
    job = ScoreJob.of(model, weights=weights, mask=mask, false_alarm_rate=rate, strict=strict)
    sources = find_sources(images)
    with progress_bar() as progress:
        found = given.run(job, sources, out, progress)
    tell(found)
    if as_json:
        print_json({"model": model, **as_row(found)})
    else:
        n = found.n_images - found.n_unusable
        typer.echo(
            f"{out}: {n} images scored, {found.n_anomalous} anomalous, {found.n_unusable} unusable"
        )
    if found.n_unusable == found.n_images:
        raise TwofoldError("none of the images can be used")


@dataclass(frozen=True)
class _Places:
    """What is written about where in the images the anomalies are."""

    pictures: MapWriter | None
    boxes: RegionWriter | None

    @classmethod
    def of(
        cls, detector: Detector, maps: str | None, regions: str | None, rate: float | None
    ) -> _Places:
        """As asked for; both need a method with maps."""
        pictures = boxes = None
        if maps is not None:
            from twofold.cli.maps import MapWriter  # noqa: PLC0415 - imports torch

            pictures = MapWriter(detector, Path(maps))
        if regions is not None:
            from twofold.cli.regions import RegionWriter  # noqa: PLC0415 - imports torch

            boxes = RegionWriter(detector, Path(regions), rate)
        return cls(pictures, boxes)

    def look(self) -> Callable[[ImageMap], None] | None:
        """What is called with each image's map; None where nobody asks for maps."""
        lookers = [looker for looker in (self.pictures, self.boxes) if looker is not None]
        if not lookers:
            return None

        def each(item: ImageMap) -> None:
            for looker in lookers:
                looker(item)

        return each

    def finish(self, result: Scores) -> None:
        """Write what was gathered, and say what there is none of."""
        if self.pictures is not None:
            for problem in self.pictures.gone:
                if problem not in result.problems:
                    say(f"no picture of {problem.path}: {problem.reason}")
        if self.boxes is not None:
            self.boxes.write()
            if self.boxes.note is not None:
                say(f"note: {self.boxes.note}")


def _tell(model: str, result: Scores, out: str | None, *, as_json: bool) -> None:
    """The scores, where they were asked for."""
    rows = _rows(result)
    if out is not None:
        content = parquet_bytes(result.to_arrow()) if is_parquet(out) else _csv(rows).encode()
        write_whole(Path(out), content)
    if as_json:
        print_json({"model": model, "out": out, "images": rows})
    elif out is None:
        typer.echo(_csv(rows), nl=False)
    else:
        n = int(result.usable.sum())
        flagged = int((result.anomalous == 1).sum())
        typer.echo(f"{out}: {n} images scored, {flagged} anomalous, {len(rows) - n} unusable")


def _rows(result: Scores) -> list[dict[str, Any]]:
    """The columns of the command."""
    return [{field: row[field] for field in _FIELDS} for row in result.rows()]


def _csv(rows: list[dict[str, Any]]) -> str:
    return csv_text(_FIELDS, [[row[field] for field in _FIELDS] for row in rows])
