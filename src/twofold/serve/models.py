"""The models of a process: loaded, read again without a lost request, and within a bound of memory.

Everything here but the loading itself happens on the event loop, so that no request can find a
model between two states.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from twofold.bundle import model_digest
from twofold.errors import TwofoldError
from twofold.serve.limits import Limits
from twofold.serve.logs import Log
from twofold.serve.metrics import Metrics
from twofold.serve.model import Loader, Model, Source
from twofold.serve.seeing import Job
from twofold.serve.uploads import RefusedError

__all__ = ["Models"]

Row = dict[str, Any]
_WHEN_LOADED: Final = 2  # seconds: loading a model takes about one


class Models:
    """The models by name.

    Args:
        sources: of the models; the first is the one that is asked where a request names none.
        limits: of each model.
        metrics: told what happens.
        log: likewise.
        most_bytes: of memory that loaded models may take; beyond, those that were not asked for
            longest are dropped, and read again when they are. None has no bound.
        load: reads a model.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        limits: Limits,
        metrics: Metrics,
        log: Log,
        *,
        most_bytes: int | None = None,
        load: Loader = Model.load,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._first = sources[0].name
        self._limits, self._metrics, self._log = limits, metrics, log
        self._most_bytes, self._load = most_bytes, load
        self._loaded: OrderedDict[str, Model] = OrderedDict()  # asked for longest ago first
        self._one_load = asyncio.Lock()
        self._closing: set[threading.Thread] = set()
        self.ready = False

    @property
    def names(self) -> list[str]:
        """Of all models."""
        return list(self._sources)

    @property
    def loaded(self) -> list[Model]:
        """Those in memory."""
        return list(self._loaded.values())

    def source(self, name: str | None) -> Source:
        """The one of a name; the first for None.

        Raises:
            RefusedError: there is none.
        """
        source = self._sources.get(self._first if name is None else name)
        if source is None:
            raise RefusedError(404, "model", "There is no model of this name.")
        return source

    async def load_all(self) -> None:
        """Read every model once, so that a broken one shows at once.

        Raises:
            TwofoldError: a model cannot be read.
        """
        for name in self._sources:
            await self.get(name)
        self.ready = True

    async def get(self, name: str | None) -> Model:
        """A model, read if it is not in memory.

        Raises:
            RefusedError: there is none of this name.
            TwofoldError: it cannot be read.
        """
        source = self.source(name)
        if source.name not in self._loaded:
            async with self._one_load:
                if source.name not in self._loaded:  # not by another request meanwhile
                    await self._read(source)
        self._loaded.move_to_end(source.name)
        return self._loaded[source.name]

    async def submit(
        self, name: str | None, jobs: Sequence[Job]
    ) -> tuple[Model, list[Future[Row]]]:
        """Hand images to a model.

        Raises:
            QueueFullError: too many wait.
            RefusedError, TwofoldError: see :meth:`get`.
        """
        model = await self.get(name)
        # Nothing else runs in between, so the model cannot be dropped before it has them.
        futures = model.submit(jobs)
        self._tell(model)
        return model, futures

    def require_room(self, name: str | None, n: int) -> None:
        """Raise QueueFullError where n more images would be refused now."""
        model = self._loaded.get(self.source(name).name)
        if model is not None:
            model.require_room(n)

    async def reload(self, name: str | None = None) -> list[Row]:
        """Read models again whose files have changed; one that is broken leaves the old one.

        Args:
            name: of a model; None reads all.

        Returns:
            For each: ``name``, ``outcome`` (``loaded``, ``unchanged`` or ``refused``), ``sha256``
            of what answers from now on, and ``problem``.
        """
        names = self.names if name is None else [self.source(name).name]
        return [await self._reload(self._sources[one]) for one in names]

    async def _reload(self, source: Source) -> Row:
        async with self._one_load:
            old = self._loaded.get(source.name)
            row: Row = {"name": source.name, "outcome": "unchanged", "problem": None}
            try:
                sha256 = await asyncio.to_thread(model_digest, source.path)
                if old is None or old.sha256 != sha256:
                    sha256 = (await self._read(source)).sha256
                    row["outcome"] = "loaded"
                row["sha256"] = sha256
            except (TwofoldError, OSError) as error:
                row |= {"outcome": "refused", "problem": str(error)}
                row["sha256"] = None if old is None else old.sha256
        self._metrics.reloaded(source.name, row["outcome"])
        self._log("reload", level="error" if row["problem"] else "info", **row)
        return row

    async def _read(self, source: Source) -> Model:
        """Read a model and put it in the place of the old one, which finishes what it has."""
        new = await asyncio.to_thread(self._load, source, self._limits, self._metrics)
        old = self._loaded.pop(source.name, None)
        self._loaded[source.name] = new
        if old is not None:
            self._close(old)
        self._log("loaded", model=source.name, sha256=new.sha256, bytes=new.n_bytes)
        self._drop_others(new)
        self._metrics.models(len(self._loaded))
        return new

    def _drop_others(self, new: Model) -> None:
        """Keep to the bound of memory."""
        if self._most_bytes is None:
            return
        total = sum(model.n_bytes for model in self.loaded)
        for model in self.loaded:
            if total <= self._most_bytes:
                return
            if model is new or model.busy:
                continue
            del self._loaded[model.source.name]
            self._close(model)
            total -= model.n_bytes
            self._log("dropped", model=model.source.name, bytes=model.n_bytes)

    def _close(self, model: Model) -> None:
        """Let a model finish beside everything else."""
        thread = threading.Thread(target=model.close, name="close")
        self._closing = {one for one in self._closing if one.is_alive()} | {thread}
        thread.start()

    def _tell(self, model: Model) -> None:
        self._metrics.state(model.source.name, model.waiting, None)

    def tell_all(self) -> None:
        """Bring the metrics up to date."""
        for model in self.loaded:
            self._metrics.state(model.source.name, model.waiting, model.watch.current())
        self._metrics.models(len(self._loaded))

    def close(self) -> None:
        """Finish what was accepted."""
        self.ready = False
        for model in self.loaded:
            model.close()
        for thread in self._closing:
            thread.join()
