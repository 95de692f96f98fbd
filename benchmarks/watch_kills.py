"""Is each file scored exactly once when `twofold watch` is killed at random moments?

Usage: python benchmarks/watch_kills.py [--files 5000] [--kills 10] [--table csv|parquet|sqlite]
           [--batch 64] [--model MODEL] [--random-state 0] [--out FILE.json]

Small images come into a folder while `twofold watch --move --webhook` watches it: a third is there
before, of the others half are written in two pieces and half renamed in; every fiftieth is damaged.
The process gets SIGKILL at random moments: after a random number of its rows, and then at any time
within the next two seconds. Small batches are killed more often between a score and what follows
from it. It is started again each time; at the end it
gets SIGTERM and must end with 0. The receiver of the webhook answers every seventh message with
503. Then everything is counted: rows, files in ok/, ng/ and bad/, messages. Prints one JSON object;
the exit code is 1 unless each file has exactly one row and lies in exactly one folder, and each row
has arrived.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from peers.machine import machine
from PIL import Image

from twofold import Detector
from twofold.spreadsheet import read_cell

VERDICTS = ("ok", "ng", "bad")


def picture(rng: np.random.Generator, *, spot: bool = False) -> bytes:
    """A small image of stripes, with a large defect or without, as PNG."""
    wave = 100 + 40 * np.sin(np.linspace(0, 20, 48) + rng.uniform(0, 2))
    pixels = np.tile(wave[None, :, None], (48, 1, 3)) + rng.normal(0, 8, (48, 48, 3))
    if spot:
        pixels[10:34, 12:36] = rng.uniform(0, 255, (24, 24, 3))
    stream = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def fit(folder: Path, seed: int) -> Path:
    """A model of such images."""
    rng = np.random.default_rng([seed, 1])
    for name, n in (("source", 40), ("target", 60)):
        (folder / name).mkdir()
        for i in range(n):
            content = picture(rng, spot=name == "target" and i % 15 == 0)
            (folder / name / f"{i:03}.png").write_bytes(content)
    detector = Detector(options={"effort": "fast"}).fit(folder / "source", folder / "target")
    detector.save(folder / "model")
    return folder / "model"


def contents(n: int, seed: int) -> list[tuple[str, bytes]]:
    """Names and contents of all files."""
    rng = np.random.default_rng([seed, 2])
    made = []
    for i in range(n):
        content = picture(rng, spot=i % 20 == 0)
        content = content[: len(content) // 2] if i % 50 == 49 else content
        made.append((f"{i % 7}/{i:05}.png", content))
    return made


def deliver(folder: Path, files: list[tuple[str, bytes]]) -> None:
    """Bring files as cameras and copying programs do: in two pieces, or renamed in."""
    pause = 0.02  # for each second file: together about as long as scoring them takes
    for i, (name, content) in enumerate(files):
        path = folder / name
        if i % 2:
            unfinished = path.with_suffix(".part")
            unfinished.write_bytes(content)
            unfinished.rename(path)
        else:
            with path.open("wb") as stream:
                stream.write(content[:100])
                stream.flush()
                time.sleep(pause)
                stream.write(content[100:])


class Receiver:
    """Takes messages, and refuses every seventh."""

    def __init__(self) -> None:
        self.keys: Counter[str] = Counter()
        self.rows: Counter[int] = Counter()
        self._lock, self._n = threading.Lock(), 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(self.headers["Idempotency-Key"], body))
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/results"

    def take(self, key: str, body: bytes) -> int:
        """Note a message; the status to answer with."""
        with self._lock:
            self._n += 1
            if self._n % 7 == 0:
                return 503
            if not self.keys[key]:  # a second copy is known by its key
                self.rows.update(row["id"] for row in json.loads(body).get("results", ()))
            self.keys[key] += 1
            return 204


class Watch:
    """One process of `twofold watch`."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream)

    def scored(self) -> int:
        """How many rows it has told of."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line.split(" scored, ")[0] for line in lines if " scored, " in line]
        return sum(int(n) for n in told if n.isdigit())

    def until(self, n: int) -> tuple[int, float]:
        """Wait for so many rows; how many came after the first, in how many seconds."""
        first: tuple[int, float] | None = None
        while (scored := self.scored()) < n:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended by itself: {self.log.read_text(errors='replace')}")
            if first is None and scored:
                first = (scored, time.monotonic())
            time.sleep(0.05)
        return (0, 0.0) if first is None else (scored - first[0], time.monotonic() - first[1])


def rows_of(table: Path, journal: Path) -> list[str]:
    """The images that have a row, each as often as it has one."""
    if table.suffix == ".csv":
        import csv  # noqa: PLC0415 - one of three readers

        with table.open(encoding="utf-8", newline="") as stream:
            return [read_cell(row["image"]) for row in csv.DictReader(stream)]
    if table.suffix == ".parquet":
        from pyarrow import parquet  # noqa: PLC0415

        return [str(name) for name in parquet.read_table(table)["image"].to_pylist()]
    database = sqlite3.connect(journal)
    try:
        return [str(row[0]) for row in database.execute("SELECT image FROM results")]
    finally:
        database.close()


@contextmanager
def place(given: Path | None) -> Iterator[Path]:
    """A folder to work in."""
    if given is not None:
        given.mkdir(parents=True)
        yield given
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def run(
    work: Path, *, n: int, kills: int, table: str, batch: int, model: Path | None, seed: int
) -> dict[str, Any]:
    """The whole trial; what was counted."""
    model = fit(work, seed) if model is None else model
    folder, files = work / "in", contents(n, seed)
    for part in sorted({Path(name).parent for name, _ in files}):
        (folder / part).mkdir(parents=True)
    for name, content in files[: n // 3]:
        (folder / name).write_bytes(content)
    threading.Thread(target=deliver, args=(folder, files[n // 3 :]), daemon=True).start()
    receiver = Receiver()
    path = work / ("results.db" if table == "sqlite" else f"results.{table}")
    out = f"sqlite:///{path}" if table == "sqlite" else str(path)
    command = [sys.executable, "-m", "twofold", "watch", str(model), str(folder), "--out", out]
    command += ["--move", "--settle", "0.5", "--batch", str(batch), "--webhook", receiver.url]
    draw = random.Random(seed)
    moments = sorted(draw.sample(range(n), kills))
    begun, stretches = time.monotonic(), []
    for number, moment in enumerate(moments):
        watch = Watch(command, work / f"log{number}.txt")
        stretches.append(watch.until(moment - _kept(path, table)))
        time.sleep(draw.uniform(0, 2))
        watch.process.kill()
        watch.process.wait()
    last = Watch(command, work / "log.txt")
    stretches.append(last.until(n - _kept(path, table)))
    while len(receiver.rows) < n and time.monotonic() - begun < 3600:
        time.sleep(0.2)
    seconds = time.monotonic() - begun
    last.process.send_signal(signal.SIGTERM)
    code = last.process.wait(60)
    rows, spent = (sum(values) for values in zip(*stretches, strict=True))
    return count(folder, files, rows_of(path, path), receiver) | {
        "table": table,
        "batch": batch,
        "kills": kills,
        "killed_after_rows": moments,
        "exit_code_after_sigterm": code,
        "seconds": round(seconds, 1),
        "files_an_hour_with_kills": round(3600 * n / seconds),
        "files_an_hour_while_watching": round(3600 * rows / spent) if spent else None,
    }


def _kept(path: Path, table: str) -> int:
    """How many results the journal holds after a kill; a copy is asked, so that nobody mends it."""
    journal = path if table == "sqlite" else path.with_name(f"{path.name}.journal")
    if not journal.exists():
        return 0
    with tempfile.TemporaryDirectory() as name:
        for part in ("", "-wal"):
            if Path(f"{journal}{part}").exists():
                shutil.copy(f"{journal}{part}", f"{name}/journal{part}")
        database = sqlite3.connect(f"{name}/journal")
        try:
            return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
        finally:
            database.close()


def count(
    folder: Path, files: list[tuple[str, bytes]], rows: list[str], receiver: Receiver
) -> dict[str, Any]:
    """Everything that must be there exactly once."""
    images = Counter(os.path.relpath(image, folder) for image in rows)
    moved = Counter(
        str(path.relative_to(folder / verdict))
        for verdict in VERDICTS
        for path in (folder / verdict).rglob("*.png")
    )
    names = {name for name, _ in files}
    return {
        "files": len(files),
        "rows": len(rows),
        "files_with_one_row": sum(images[name] == 1 for name in names),
        "files_without_row": sum(images[name] == 0 for name in names),
        "files_with_several_rows": sum(images[name] > 1 for name in names),
        "rows_of_nothing": sum(k for name, k in images.items() if name not in names),
        "files_in_one_folder": sum(moved[name] == 1 for name in names),
        "files_in_bad": sum(1 for _ in (folder / "bad").rglob("*.png")),
        "files_left": sum(1 for name in names if (folder / name).exists()),
        "rows_that_arrived": len(receiver.rows),
        "messages": len(receiver.keys),
        "messages_that_came_twice": sum(k > 1 for k in receiver.keys.values()),
    }


def is_exact(found: dict[str, Any]) -> bool:
    """Whether each file has one row, lies in one folder, and has arrived."""
    n = found["files"]
    once = ("rows", "files_with_one_row", "files_in_one_folder", "rows_that_arrived")
    return all(found[key] == n for key in once) and found["exit_code_after_sigterm"] == 0


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--table", choices=("csv", "parquet", "sqlite"), default="csv")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--model", type=Path, help="saved model; one is fitted when left out")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--work", type=Path, help="new folder that is kept; a temporary one else")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with place(given.work) as work:
        found = run(
            work,
            n=given.files,
            kills=given.kills,
            table=given.table,
            batch=given.batch,
            model=given.model,
            seed=given.random_state,
        )
    text = json.dumps(found | {"exactly_once": is_exact(found), "machine": machine()}, indent=2)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if is_exact(found) else 1)


if __name__ == "__main__":
    main()
