"""`twofold review`."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.cases import Parse, Run, one_line
from tests.cli.conftest import SIDE
from tests.support.missing import forget, hide
from tests.support.review import Client

from twofold.detector import Detector
from twofold.marks import MarksFile, design_path
from twofold.review.server import ReviewServer
from twofold.web.pictures import map_picture

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=[\w-]{43}")


def fill_in(table: Path, words: list[str]) -> None:
    """Write marks into the first rows, as a spreadsheet would."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, word in zip(rows, words, strict=False):
        row["mark"] = word
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def on_page(monkeypatch: pytest.MonkeyPatch, act: Callable[[Client], None]) -> None:
    """Let somebody open the page, act, and then end the command."""
    serve = ReviewServer.run

    def run(server: ReviewServer) -> None:
        def visit() -> None:
            try:
                client = Client(server.access.port)
                client.enter(server.access.address)
                act(client)
            finally:
                server.stop()

        thread = threading.Thread(target=visit)
        thread.start()
        serve(server)
        thread.join()

    monkeypatch.setattr(ReviewServer, "run", run)


def test_marks_on_the_page_and_what_they_say(
    world: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_object: Parse
) -> None:
    def act(client: Client) -> None:
        state = client.get("/api/state").json
        assert state["has_maps"]
        assert state["reviewer"] == "ada"
        heat = client.get(f"/api/images/{state['current']}/map")
        assert heat.headers["content-type"] == "image/png"
        while state["done"] < 12:
            name = client.get(f"/api/images/{state['current']}/facts").json["name"]
            mark = "anomalous" if "anomalous" in name else "normal"
            state = client.mark(state["current"], mark).json["state"]

    on_page(monkeypatch, act)
    out = tmp_path / "new" / "marks.csv"
    images = (world / "normal", world / "anomalous")
    result = run(
        *("review", world / "model", *images, "--out", out),
        *("--reviewer", "ada", "--marks", 20, "--json"),
    )
    assert result.exit_code == 0, result.stderr
    assert ADDRESS.search(result.stderr.splitlines()[0])
    found = as_object(result.stdout)
    assert (found["n_images"], found["n_marked"], found["marked_by_reviewer"]) == (20, 12, 12)
    assert 0 <= found["detection_rate"]["low"] <= found["detection_rate"]["high"] <= 1
    assert found["n_disagreements"] == 0
    assert (tmp_path / "new" / "marks.design.json").exists()


@pytest.mark.slow
def test_a_restart_goes_on_without_scoring(
    world: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []

    def act(client: Client) -> None:
        order.append(client.get("/api/state").json["current"])
        client.mark(order[-1], "normal")

    on_page(monkeypatch, act)
    arguments = ("review", world / "model", world / "mixed", "--out", tmp_path / "marks.csv")
    first = run(*arguments, "--reviewer", "ada")
    assert first.exit_code == 0, first.stderr
    assert "skipped " in first.stderr
    assert first.stdout.startswith(f"{tmp_path / 'marks.csv'}: 1 of 3 images marked")
    assert "ada has marked 1 of 3; the same command goes on" in first.stderr
    monkeypatch.setattr(Detector, "score", lambda *_: pytest.fail("scored again"))
    second = run(*arguments, "--reviewer", "ada")
    assert second.exit_code == 0, second.stderr
    assert "ada has marked 1" in second.stderr
    assert order[0] != order[1]
    assert len(MarksFile(tmp_path / "marks.csv").lines()) == 2


@pytest.mark.slow
def test_other_images_or_another_model_are_refused(world: Path, run: Run, tmp_path: Path) -> None:
    images, out, sheet = tmp_path / "images", tmp_path / "marks.csv", tmp_path / "sheet"
    shutil.copytree(world / "few", images)
    start = ("review", world / "model", images, "--out", out)
    assert run(*start, "--export", sheet).exit_code == 0
    again = ("--export", tmp_path / "again")
    refused = run(*start, *again, "--random-state", 7)
    one_line(refused, code=2, word="--random-state 7")
    shutil.copy(images / "000.png", images / "more.png")
    one_line(run(*start, *again), code=2, word="more.png was not there when")
    (images / "more.png").write_bytes(b"no image: left out then as now")
    assert run(*start, *again).exit_code == 0
    shutil.rmtree(tmp_path / "again")
    shutil.copy(images / "000.png", images / "001.png")
    one_line(run(*start, *again), code=2, word="001.png has changed")
    (images / "001.png").unlink()
    one_line(run(*start, *again), code=2, word="001.png of")
    model = tmp_path / "model"
    Detector.load(world / "model").set_false_alarm_rate(0.2).save(model)
    other = run("review", model, world / "few", "--out", out, *again)
    one_line(other, code=2, word="another model")
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_a_rate_of_its_own_is_kept(world: Path, run: Run, tmp_path: Path) -> None:
    images, out = (world / "normal", world / "anomalous"), tmp_path / "marks.csv"
    start = ("review", world / "model", *images, "--out", out)
    first = run(*start, "--export", tmp_path / "a", "--false-alarm-rate", 0.3)
    assert first.exit_code == 0, first.stderr
    document = MarksFile(out).document
    assert document is not None
    at_rate = Detector.load(world / "model").set_false_alarm_rate(0.3).threshold_.value
    assert at_rate < Detector.load(world / "model").threshold_.value
    assert (document.threshold, document.false_alarm_rate) == (at_rate, 0.3)
    before = design_path(out).read_bytes()
    other = run(*start, "--export", tmp_path / "b", "--false-alarm-rate", 0.2)
    one_line(other, code=2, word="--false-alarm-rate 0.2 gives the threshold")
    assert not (tmp_path / "b").exists()
    for number, rate in enumerate(((), ("--false-alarm-rate", 0.3))):
        again = run(*start, "--export", tmp_path / f"again{number}", *rate)
        assert again.exit_code == 0, again.stderr
    assert design_path(out).read_bytes() == before
    one_line(run(*start, "--false-alarm-rate", 1.5), code=2, word="false_alarm_rate")


@pytest.mark.slow
def test_a_mask_counts_for_scores_and_maps(
    world: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps: list[tuple[int, bytes]] = []

    def act(client: Client) -> None:
        current = client.get("/api/state").json["current"]
        maps.append((current, client.get(f"/api/images/{current}/map").body))

    on_page(monkeypatch, act)
    pixels = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    pixels[: SIDE // 2] = 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    found = []
    for name, given in (("plain", ()), ("masked", ("--mask", tmp_path / "mask.png"))):
        out = tmp_path / f"{name}.csv"
        result = run("review", world / "model", world / "few", "--out", out, *given)
        assert result.exit_code == 0, result.stderr
        document = MarksFile(out).document
        assert document is not None
        found.append(document.scores)
    detector = Detector.load(world / "model").set_mask(tmp_path / "mask.png")
    assert np.array_equal(found[1], detector.score(world / "few").scores)
    assert not np.array_equal(found[0], found[1])
    number, shown = maps[1]
    assert document is not None
    expected = [
        map_picture(item.image.size, item.grid, *detector.method_.map_range()).content
        for seen in (detector, Detector.load(world / "model"))
        for item in seen.maps([document.images[number].path])
        if item.image is not None and item.grid is not None
    ]
    assert shown == expected[0] != expected[1]


def test_a_table_instead_of_a_page(world: Path, run: Run, tmp_path: Path, as_object: Parse) -> None:
    sheet, out = tmp_path / "sheet", tmp_path / "marks.csv"
    start = ("review", world / "model", world / "normal", world / "anomalous", "--out", out)
    result = run(*start, "--export", sheet, "--marks", 6)
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in sheet.iterdir())
    assert names == [*(f"{place:05d}.png" for place in range(1, 7)), "fill_in.csv"]
    document = MarksFile(out).document
    assert document is not None
    for place, number in enumerate(document.order[:6], start=1):
        copied = (sheet / f"{place:05d}.png").read_bytes()
        assert copied == Path(document.images[number].path).read_bytes()
    # Nothing among the copies says what an image is.
    assert "anomalous" not in (sheet / "fill_in.csv").read_text(encoding="utf-8")
    one_line(run(*start, "--export", sheet), code=2, word="has a fill_in.csv already")
    fill_in(sheet / "fill_in.csv", ["normal", "A", "", "unsure", "n"])
    take = (*start, "--import", sheet / "fill_in.csv", "--reviewer", "ada")
    assert as_object(run(*take, "--json").stdout)["n_imported"] == 4
    paths = [document.images[number].path for number in document.order]
    said = {paths[0]: "normal", paths[1]: "anomalous", paths[3]: "unsure", paths[4]: "normal"}
    assert MarksFile(out).standing().marks == said
    assert as_object(run(*take, "--json").stdout)["n_imported"] == 0
    assert len(MarksFile(out).lines()) == 4


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("00001.png,", "00001.png,perhaps", "'perhaps' for '00001.png' is no mark"),
        ("00001.png", "99999.png", "'99999.png' is no file of this review"),
        ("00001.png", "../../x.png", "'../../x.png' is no file of this review"),
        ("00001.png", "00002.png", "of another review"),
        ("file,", "name,", "needs rows with the columns file, mark, sha256"),
    ],
)
def test_a_table_of_something_else_is_refused_whole(
    world: Path, run: Run, tmp_path: Path, old: str, new: str, word: str
) -> None:
    sheet, out = tmp_path / "sheet", tmp_path / "marks.csv"
    start = ("review", world / "model", world / "few", "--out", out)
    assert run(*start, "--export", sheet).exit_code == 0
    fill_in(sheet / "fill_in.csv", ["", "", "normal"])
    table = tmp_path / "table.csv"
    text = (sheet / "fill_in.csv").read_text(encoding="utf-8")
    table.write_text(text.replace(old, new, 1), encoding="utf-8")
    result = run(*start, "--import", table)
    assert result.exit_code == 2
    assert word in result.stderr.splitlines()[-1]
    assert MarksFile(out).lines() == ()


def test_wrong_use_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    start = ("review", tmp_path / "no model", tmp_path, "--out", tmp_path / "marks.csv")
    both = ("--export", tmp_path / "a", "--import", tmp_path / "b")
    one_line(run(*start, *both), code=2, word="give one of them")
    one_line(run(*start, "--reviewer", " \n"), code=2, word="--reviewer")
    one_line(run(*start, "--reviewer", "x" * 81), code=2, word="--reviewer")
    one_line(run("review", "m", "i", "--out", tmp_path), code=2, word="--out")
    assert run(*start, "--marks", 0).exit_code == 2
    assert run(*start, "--port", 70000).exit_code == 2
    bad = run("review", world / "model", world / "bad", "--out", tmp_path / "marks.csv")
    one_line(bad, code=1, word="none of the images can be used")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_there_is_a_table_but_no_page(
    world: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(monkeypatch, "twofold.review", "twofold.web.server")
    hide(monkeypatch, "fastapi")
    hide(monkeypatch, "uvicorn")
    start = ("review", world / "model", world / "few", "--out", tmp_path / "marks.csv")
    one_line(run(*start), code=1, word="pip install 'twofold[review]', or use --export")
    assert run(*start, "--export", tmp_path / "sheet").exit_code == 0


class Process:
    """`twofold review` in a process of its own."""

    def __init__(self, world: Path, out: Path, reviewer: str) -> None:
        command = [sys.executable, "-m", "twofold", "review", str(world / "model")]
        command += [str(world / "normal"), str(world / "anomalous"), "--out", str(out)]
        command += ["--reviewer", reviewer, "--no-browser"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stderr=pipe, stdout=pipe, text=True, env=os.environ
        )
        assert self.process.stderr is not None
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found is not None:
                self.client = Client(int(found[1]))
                self.client.enter(found[0])
                return
        raise AssertionError("".join(self.lines))

    def end(self, kind: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(kind)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_server_loses_no_mark_and_goes_on(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "marks.csv"
    first = Process(world, out, "ada")
    current = first.client.get("/api/state").json["current"]
    made = []
    for _ in range(7):
        made.append(current)
        current = first.client.mark(current).json["state"]["current"]
    first.end(signal.SIGKILL)
    document = MarksFile(out).document
    assert document is not None
    assert made == document.order[:7]
    with out.open("ab") as stream:
        stream.write(b"half a li")  # as a machine that lost its power may leave it
    again, other = Process(world, out, "ada"), Process(world, out, "grace")
    state = again.client.get("/api/state").json
    assert (state["done"], state["current"]) == (7, document.order[7])
    assert other.client.get("/api/state").json["done"] == 0
    for _ in range(3):
        state = again.client.mark(state["current"]).json["state"]
    for number in document.order[:2]:
        other.client.mark(number, "anomalous")
    for process, name, done in ((again, "ada", 10), (other, "grace", 2)):
        code, said, told = process.end(signal.SIGINT)
        assert code == 0
        assert f"{out}: " in said
        assert "2 disagreements" in said or name == "ada"
        assert f"{name} has marked {done} of 20; the same command goes on" in told
        assert "Traceback" not in told
    lines = MarksFile(out).lines()
    assert [line.reviewer for line in lines].count("ada") == 10
    assert len(lines) == 12
