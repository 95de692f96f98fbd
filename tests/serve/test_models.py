"""Several models, read again and dropped, without a lost request."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support import loops, toy
from tests.support.serve import QUICK, Served, loader, serving

from twofold import Detector
from twofold.bundle import model_digest
from twofold.errors import BundleError, TwofoldError
from twofold.images import ImageSet
from twofold.serve.access import Access
from twofold.serve.limits import Limits
from twofold.serve.logs import Log
from twofold.serve.metrics import Metrics
from twofold.serve.model import Model, Source
from twofold.serve.models import Models
from twofold.serve.server import ServeServer, Service
from twofold.serve.uploads import RefusedError
from twofold.web.listening import listen


@pytest.fixture(scope="module")
def other(toy_world: toy.World) -> Detector:
    """Fitted to the source, so that its scores are others."""
    found = Detector(
        "frozen_source",
        toy.ENCODER,
        weights="random",
        engine="torch",
    )
    with pytest.warns(UserWarning, match="source"):  # of which its threshold speaks
        return found.fit(toy_world.source, toy_world.pool)


def read(sizes: dict[str, int], detector: Detector, read_names: list[str]) -> Callable[..., Model]:
    """Reads models that say to have a size, and notes which were read."""

    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        read_names.append(source.name)
        found = Model(source, detector, "0" * 64, limits, metrics)
        found.n_bytes = sizes[source.name]
        return found

    return load


@pytest.mark.slow
def test_each_model_by_its_name(detector: Detector, other: Detector, pngs: list[bytes]) -> None:
    both = {"default": detector, "line-b": other}
    with serving(loader(both), names=list(both)) as served:
        found = served.client.get("/v1/models").json["models"]
        assert [(one["name"], one["loaded"]) for one in found] == [
            ("default", True),
            ("line-b", True),
        ]
        scores = {}
        for query in ("", "?model=default", "?model=line-b"):
            answer = served.client.score([("a", pngs[0])], query).json
            scores[query] = (answer["model"], answer["results"][0]["score"])
        assert scores[""] == scores["?model=default"]
        assert scores["?model=line-b"][0] == "line-b"
        assert scores["?model=line-b"][1] != scores[""][1]
        assert served.client.get("/v1/model?model=line-b").json["method"] == "frozen_source"
        assert served.client.score([("a", pngs[0])], "?model=none").status == 404


def test_a_bound_of_memory_drops_what_was_not_asked_for_longest(
    detector: Detector, tmp_path: Path
) -> None:
    names: list[str] = []
    log = io.StringIO()
    sources = [Source(name, tmp_path / name) for name in "abc"]
    load = read({"a": 40, "b": 40, "c": 40}, detector, names)

    async def run() -> None:
        models = Models(sources, QUICK, Metrics(), Log(log), most_bytes=100, load=load)
        await models.load_all()
        assert [model.source.name for model in models.loaded] == ["b", "c"]
        await models.get("b")
        await models.get("a")  # read again; c was not asked for longest
        assert {model.source.name for model in models.loaded} == {"a", "b"}
        assert names == ["a", "b", "c", "a"]
        first = await asyncio.gather(*(models.get("c") for _ in range(5)))
        assert len({id(model) for model in first}) == 1  # read once for all who ask
        assert names[4:] == ["c"]
        with pytest.raises(RefusedError):
            await models.get("../a")
        models.close()

    loops.run(run())
    assert log.getvalue().count("dropped") == 3


def write_headers(folder: Path, text: str) -> None:
    (folder / "default").mkdir(exist_ok=True)
    (folder / "default" / "detector.json").write_text(text)


def test_read_again_without_a_lost_request(
    detector: Detector, other: Detector, pngs: list[bytes], tmp_path: Path, token_file: Path
) -> None:
    write_headers(tmp_path, "first")
    state: dict[str, Detector | Exception] = {"next": detector}
    told: list[int] = []

    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        found = state["next"]
        if isinstance(found, Exception):
            raise found
        sha256 = model_digest(source.path)
        return Model(source, found, sha256, limits, metrics)

    with (
        serving(
            load,
            folder=tmp_path,
            token_file=token_file,
            reloaded=lambda: told.append(1),
        ) as served,
        ThreadPoolExecutor(4) as pool,
    ):
        go = threading.Event()

        def ask() -> list[tuple[int, float]]:
            found = []
            while not go.is_set():
                answer = served.client.score([("a", pngs[0])])
                found.append((answer.status, answer.json["results"][0]["score"]))
            return found

        asking = [pool.submit(ask) for _ in range(4)]
        time.sleep(0.3)
        reload = served.client.send("POST", "/v1/reload")
        assert reload.json["models"][0]["outcome"] == "unchanged"
        write_headers(tmp_path, "broken")
        state["next"] = BundleError("it is damaged")
        before = served.client.get("/v1/model").json["sha256"]
        reload = served.client.send("POST", "/v1/reload?model=default")
        assert reload.status == 409
        assert reload.json["models"][0]["problem"] == "it is damaged"
        assert served.client.get("/v1/model").json["sha256"] == before
        assert told == []
        time.sleep(0.3)
        for text, detectors in (("second", other), ("third", detector), ("fourth", other)):
            write_headers(tmp_path, text)
            state["next"] = detectors
            assert served.client.send("POST", "/v1/reload").json["models"][0]["outcome"] == "loaded"
        time.sleep(0.3)
        go.set()
        answers = [answer for one in asking for answer in one.result(20)]
        assert {status for status, _ in answers} == {200}
        assert len({score for _, score in answers}) == 2
        assert len(told) == 3
        assert served.client.send("POST", "/v1/reload?model=other").status == 404


def test_without_a_token_nobody_may_have_models_read(served: Served) -> None:
    assert served.client.send("POST", "/v1/reload").status == 403


def test_a_model_that_cannot_be_read_ends_the_start() -> None:
    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        raise BundleError(f"{source.path}: damaged")

    listening = listen("127.0.0.1", 0)
    service = Service((Source("default", Path("x")),), Access("127.0.0.1", 1), QUICK)
    with pytest.raises(TwofoldError, match="x: damaged"):
        loops.elsewhere(ServeServer(service, listening, load=load).run)


def test_drift_is_told_and_counted(detector: Detector, pngs: list[bytes]) -> None:
    local = detector.drift_monitor(0.02)

    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        source = Source(source.name, source.path, false_warnings=0.02)
        return Model(source, detector, "0" * 64, limits, metrics)

    with serving(load) as served:
        for content in [*pngs[:20], b"no image", *pngs[20:40]]:
            served.client.score([("a", content)])
        found = served.client.get("/v1/model").json["drift"]
        expected = detector.drift(ImageSet.from_contents(pngs[:40]), monitor=local)
        assert found["n_images"] == expected.n_images == 40
        assert found["kind"] == expected.kind
        assert found["p_values"] == pytest.approx(expected.p_values, rel=1e-9)
        assert found["advice"] == expected.advice()
        text = served.client.get("/metrics").body.decode()
        assert 'twofold_drift_images{model="default"} 40.0' in text
        assert 'twofold_drift_p_value{kind="domain",model="default"}' in text
        assert 'twofold_images_total{model="default",outcome="unusable"} 1.0' in text


def test_a_model_without_a_reference_has_no_test_of_drift(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "drift_reference_", None)
    with serving(loader({"default": detector})) as served:
        assert served.client.score([("a", pngs[0])]).status == 200
        assert "fit it again" in served.client.get("/v1/model").json["drift"]["reason"]
        assert "twofold_drift_kind{" not in served.client.get("/metrics").body.decode()
