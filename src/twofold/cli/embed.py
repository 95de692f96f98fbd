"""``embed``: whole-image vectors of an encoder, as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from twofold.cli.options import Json, Strict, Weights
from twofold.cli.output import command, print_json, progress_bar
from twofold.defaults import DEFAULT_ENCODER, DEFAULT_ROWS_A_SHARD
from twofold.errors import TwofoldError
from twofold.parquet import require_pyarrow
from twofold.words import counted

__all__ = ["embed"]


@command
def embed(
    images: Annotated[
        list[str], typer.Argument(help="Folders, files, globs, manifests or Parquet of bytes.")
    ],
    out: Annotated[str, typer.Option(help="Parquet file; with --engine ray a folder of them.")],
    encoder: Annotated[str, typer.Option(help="See `twofold encoders`.")] = DEFAULT_ENCODER,
    image_size: Annotated[
        int | None,
        typer.Option(help="Side in pixels at which images are seen.", show_default="the encoder's"),
    ] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = 1,
    rows_a_shard: RowsAShard = DEFAULT_ROWS_A_SHARD,
    weights: Weights = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Write a vector of each image: image,problem,width,height,vector."""
    ray = check_engine(engine, {"--address": address is not None, "--workers": workers is not None})
    (check_folder if ray else check_file)("--out", out)
    from twofold.cluster import EmbedJob, embed_to_file  # noqa: PLC0415 - numpy
    from twofold.cluster.embedding import check_size  # noqa: PLC0415
    from twofold.cluster.sources import find_sources  # noqa: PLC0415

    require_pyarrow()
    check_size(image_size)
    sources = find_sources(images)
    job = EmbedJob.of(encoder, weights=weights, image_size=image_size, strict=strict)
    with progress_bar() as progress:
        if ray:
            given = RayOptions(address, workers, worker_cpus, rows_a_shard)
            found = given.run(job, sources, out, progress)
        else:
            found = embed_to_file(job, sources, Path(out), progress=progress)
    tell(found)
    if as_json:
        print_json({"encoder": encoder, "dim": job.dim, **as_row(found)})
    else:
        usable = found.n_images - found.n_unusable
        typer.echo(
            f"{out}: {counted(usable, 'vector')} of {job.dim} numbers, {found.n_unusable} unusable"
        )
    if found.n_unusable == found.n_images:
        raise TwofoldError("none of the images can be used")
