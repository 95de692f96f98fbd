"""The files of a request on their way: read, taken apart, judged, answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from twofold.serve import missing_extra
from twofold.serve.limits import Limits
from twofold.serve.metrics import Metrics
from twofold.serve.models import Models
from twofold.serve.seeing import Job
from twofold.serve.uploads import Budget, RefusedError, Upload, read_body, split
from twofold.web.asgi import joined

try:
    from fastapi import Request
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["Scorer"]

Row = dict[str, Any]
# Bodies above it are taken apart beside the event loop.
_LARGE: Final = 1_000_000


class Scorer:
    """Answers requests with images; used on one event loop.

    Args:
        models: that judge.
        limits: of requests.
        metrics: told what happens.
    """

    def __init__(self, models: Models, limits: Limits, metrics: Metrics) -> None:
        self.models, self.limits, self.metrics = models, limits, metrics
        self.budget = Budget(limits.receiving_bytes)

    async def score(self, request: Request, name: str | None, make: Callable[[bytes], Job]) -> Row:
        """Read the files of a request and have them judged.

        Raises:
            RefusedError, QueueFullError, TwofoldError: they cannot be.
        """
        headers = joined(request.scope["headers"])
        self.models.require_room(name, 1)  # before anything is sent in vain
        begun = False
        try:
            with self.budget.share() as share:
                async with asyncio.timeout(self.limits.timeout):
                    body = await read_body(request.receive, headers, self.limits, share)
                    uploads = await self._split(headers.get("content-type", ""), body)
                    del body
                    _note(request, files=len(uploads), bytes=share.taken)
                    begun = True
                    jobs = [make(upload.content) for upload in uploads]
                    model, futures = await self.models.submit(name, jobs)
                    rows = await _done(request, futures)
        except TimeoutError:
            if not begun:
                raise RefusedError(408, "slow", "The body did not come in time.") from None
            text = "The images were not judged in time."
            raise RefusedError(503, "late", text, 5) from None
        _note(request, model=model.source.name)
        return {
            "model": model.source.name,
            "sha256": model.sha256,
            "threshold": model.detector.threshold_.value,
            "results": _named(uploads, rows),
        }

    async def _split(self, content_type: str, body: bytes) -> list[Upload]:
        if len(body) < _LARGE:
            return split(content_type, body, self.limits.files)
        return await asyncio.to_thread(split, content_type, body, self.limits.files)


def _named(uploads: Sequence[Upload], rows: Sequence[Row]) -> list[Row]:
    return [{"image": one.name, **row} for one, row in zip(uploads, rows, strict=True)]


def _note(request: Request, **about: Any) -> None:
    """Have the log tell more of a request."""
    request.scope["state"].setdefault("about", {}).update(about)


async def _done(request: Request, futures: Sequence[Future[Row]]) -> list[Row]:
    """Wait for images; those that have not been begun are left off when nobody waits any more."""
    results = asyncio.gather(*(asyncio.wrap_future(future) for future in futures))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((results, gone), return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            raise RefusedError(400, "gone", "The client has gone.")
        return list(results.result())
    finally:
        gone.cancel()
        results.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        if results.done() and not results.cancelled():
            results.exception()  # so that nobody is told of it a second time


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
