"""`twofold serve`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.cases import Run, one_line
from tests.support.missing import forget, hide
from tests.support.serve import TOKEN, Client

from twofold.detector import Detector

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/ ")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--host", "0.0.0.0"], "--token-file"),
        (["--host", "nowhere.invalid"], "--token-file"),
        (["--token-file", "missing"], "No such file"),
        (["--model", "b"], "NAME=PATH"),
        (["--model", "=x"], "letters, digits"),
        (["--model", "../b=x"], "letters, digits"),
        (["--model", "default=x"], "two models"),
        (["--max-files", "0"], "files must be at least 1"),
        (["--queue", "4"], "raise the queue"),
        (["--timeout", "0"], "timeout must be"),
        (["--false-warnings", "1"], "between 0 and 1"),
    ],
)
def test_wrong_use(run: Run, tmp_path: Path, options: list[str], word: str) -> None:
    one_line(run("serve", tmp_path / "model", *options), code=2, word=word)


def test_a_port_that_is_taken(run: Run, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        one_line(run("serve", tmp_path, "--port", port), code=2, word=f"--port {port}")


def test_a_model_that_is_none_ends_it(run: Run, tmp_path: Path) -> None:
    found = run("serve", tmp_path / "nothing", "--port", 0)
    assert found.exit_code == 1
    assert "give a model folder" in found.stderr.splitlines()[-1]


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "prometheus_client", "python_multipart"])
def test_without_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    forget(monkeypatch, "twofold.serve", "twofold.web.server")
    hide(monkeypatch, package)
    found = run("serve", tmp_path, "--port", 0)
    assert found.exit_code == 1
    assert "pip install 'twofold[serve]'" in found.stderr.splitlines()[-1]


@dataclass
class Process:
    """`twofold serve` in a process of its own."""

    process: subprocess.Popen[str]
    client: Client
    log: Path

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["event"] == kind]

    def wait_for(self, kind: str, n: int) -> None:
        for _ in range(600):
            if len(self.events(kind)) >= n:
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@contextmanager
def started(tmp_path: Path, model: Path, *options: object) -> Iterator[Process]:
    command = [sys.executable, "-m", "twofold", "serve", str(model), "--port", "0"]
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, *map(str, options)], stderr=stream, text=True, env=os.environ
        )
    try:
        for _ in range(600):
            found = ADDRESS.search(log.read_text())
            if found or process.poll() is not None:
                break
            time.sleep(0.1)
        assert found, log.read_text()
        served = Process(process, Client(int(found[1])), log)
        yield served
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_service_in_its_own_process(world: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(world / "model", model)
    paths = sorted((world / "anomalous").glob("*.png"))
    with started(tmp_path, model) as served:
        served.client.wait_until_ready()
        local = Detector.load(model).score([str(path) for path in paths])
        files = [(path.name, path.read_bytes()) for path in paths]
        rows = served.client.score(files).json["results"]
        assert [row["score"] for row in rows] == pytest.approx(local.scores, abs=1e-6)
        assert [row["anomalous"] for row in rows] == local.anomalous.tolist()
        header = model / "detector.json"
        whole = header.read_bytes()
        header.write_bytes(whole[:-40])  # broken: the old one goes on
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("reload", 1)
        assert served.events("reload")[0]["outcome"] == "refused"
        assert served.client.score(files).json["results"] == rows
        header.write_bytes(whole)
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("reload", 2)
        assert served.events("reload")[1]["outcome"] == "unchanged"
    assert served.events("stopped")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_share_a_socket_and_their_numbers(world: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    options = ("--workers", 2, "--token-file", tokens)
    with started(tmp_path, world / "model", *options) as served:
        served.wait_for("serving", 2)
        client = Client(served.client.port, TOKEN)
        content = next((world / "normal").glob("*.png")).read_bytes()
        for _ in range(12):
            assert client.score([("a", content)]).status == 200
        text = client.get("/metrics").body.decode()
        assert 'twofold_images_total{model="default",outcome="normal"} 12.0' in text
        assert "twofold_models_loaded 2.0" in text
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("reload", 2)
        first = served.events("worker")[0]["pid"]
        os.kill(first, signal.SIGKILL)
        served.wait_for("worker", 3)
        assert client.score([("a", content)]).status == 200  # by the other one
    for worker in served.events("worker"):
        with pytest.raises(ProcessLookupError):
            os.kill(worker["pid"], 0)
