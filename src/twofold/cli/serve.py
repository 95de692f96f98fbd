"""``serve``: a service over HTTP that judges images."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_folder
from twofold.cli.options import Weights
from twofold.cli.output import command, say
from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.errors import UsageError

if TYPE_CHECKING:
    from socket import socket

    from twofold.serve.limits import Limits
    from twofold.serve.model import Source
    from twofold.serve.server import Service

__all__ = ["serve"]

_FIRST = "default"


@command
def serve(
    model: Annotated[str, typer.Argument(help=f"Model folder, in requests called {_FIRST!r}.")],
    more: Annotated[
        list[str] | None, typer.Option("--model", help="Another model, NAME=PATH; repeatable.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="To listen on; 0 takes a free one.")
    ] = 8000,
    token_file: Annotated[
        str | None, typer.Option(help="File of the tokens that requests need, one a line.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    max_upload: Annotated[
        float | None, typer.Option(help="Megabytes of a request.", show_default="50")
    ] = None,
    max_pixels: Annotated[
        float | None, typer.Option(help="Millions of pixels of an image.", show_default="50")
    ] = None,
    max_files: Annotated[
        int | None, typer.Option(help="Files of a request.", show_default="32")
    ] = None,
    queue: Annotated[
        int | None, typer.Option(help="Images that may wait for a model.", show_default="128")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds of a request.", show_default="30")
    ] = None,
    max_memory: Annotated[
        float | None,
        typer.Option(
            help="Megabytes for models; beyond, those not asked for longest are dropped.",
            show_default="no bound",
        ),
    ] = None,
    false_warnings: Annotated[
        float,
        typer.Option(help="Probability of any warning of drift on images like those of the fit."),
    ] = DEFAULT_FALSE_WARNINGS,
    state: Annotated[
        str | None,
        typer.Option(help="Folder in which the test of drift is kept, to go on with at a start."),
    ] = None,
    weights: Weights = None,
) -> None:
    """Serve models over HTTP: scores, regions and maps of images, and a page to drop them on."""
    from twofold.serve.access import Access, read_tokens  # noqa: PLC0415 - needs the extra
    from twofold.serve.limits import MEGABYTE  # noqa: PLC0415
    from twofold.serve.server import BACKLOG, Service  # noqa: PLC0415
    from twofold.web.listening import listen  # noqa: PLC0415

    if not 0 < false_warnings < 1:
        raise UsageError("--false-warnings must lie between 0 and 1")
    check_folder("--state", state)
    kept = None if state is None else Path(state)
    sources = tuple(
        replace(source, false_warnings=false_warnings / workers, state=kept)
        for source in _sources(model, more or [], weights)
    )
    limits = _limits(max_upload, max_pixels, max_files, queue, timeout, workers)
    tokens = () if token_file is None else read_tokens(token_file)
    Access(host, port, tokens)  # refused before anything listens
    listening = listen(host, port, BACKLOG, hint="name another one")
    access = Access(host, listening.getsockname()[1], tokens)
    bound = None if max_memory is None else int(max_memory * MEGABYTE)
    service = Service(sources, access, limits, bound)
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{access.port}/ (Ctrl+C ends it, SIGHUP reads changed models again)")
    _run(service, listening, workers)


def _sources(model: str, more: list[str], weights: str | None) -> tuple[Source, ...]:
    """The models that are asked for."""
    from twofold.serve.access import check_name  # noqa: PLC0415 - needs the extra
    from twofold.serve.model import Source  # noqa: PLC0415

    paths = {_FIRST: model}
    for pair in more:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise UsageError(f"--model {pair}: write it as NAME=PATH")
        paths[check_name(name, paths)] = path
    return tuple(Source(name, Path(path), weights) for name, path in paths.items())


def _limits(
    max_upload: float | None,
    max_pixels: float | None,
    max_files: int | None,
    queue: int | None,
    timeout: float | None,
    workers: int,
) -> Limits:
    """The usual ones, but for those that are given."""
    from twofold.serve.limits import MEGABYTE, Limits  # noqa: PLC0415 - needs the extra

    usual = Limits()
    upload = usual.upload_bytes if max_upload is None else int(max_upload * MEGABYTE)
    return replace(
        usual,
        upload_bytes=upload,
        receiving_bytes=max(usual.receiving_bytes, upload) // workers,
        pixels=usual.pixels if max_pixels is None else int(max_pixels * MEGABYTE),
        files=usual.files if max_files is None else max_files,
        queue=usual.queue if queue is None else queue,
        timeout=usual.timeout if timeout is None else timeout,
        threads=max(1, usual.model_threads // workers),
    )


def _run(service: Service, listening: socket, workers: int) -> None:
    """In this process, or in several."""
    from twofold.serve.logs import Log  # noqa: PLC0415 - needs the extra

    log = Log(sys.stderr)
    if workers > 1:
        if os.name != "posix":
            raise UsageError("--workers: only on Linux and macOS")
        from twofold.serve.workers import Workers  # noqa: PLC0415

        Workers(service, listening, workers, log).run()
        return
    from twofold.serve.server import ServeServer  # noqa: PLC0415

    ServeServer(service, listening, log).run()
