"""``bench``: what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.support.trees import make_tree

from twofold.benchmark.datasets import DATASETS

pytestmark = pytest.mark.filterwarnings("ignore:.*not the published:UserWarning")

FAST = ("frozen_source", "target_only")
FIELDS = {
    *("dataset", "direction", "class", "method", "run", "auroc", "ap", "fpr95", "status", "error"),
    *("seconds", "n_source", "n_target", "n_test", "anomaly_share", "protocol", "random_state"),
    *("configuration", "versions"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("pacs"), "pacs", per_class=8, size=48)


def rows(out: Path) -> list[dict[str, Any]]:
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seconds"}


def small(tree: Path, out: Path, *more: str) -> list[str]:
    return [
        *("bench", "pacs", "--root", str(tree), "--out", str(out), "--preset", "smoke"),
        *("--directions", "photo:sketch", "--classes", "dog,house", "--shots", "4", *more),
    ]


@pytest.mark.slow
def test_rows_hold_what_the_design_names(
    run: Run, tree: Path, tmp_path: Path, as_object: Callable[[str], dict[str, Any]]
) -> None:
    result = run(*small(tree, tmp_path, "--methods", ",".join(FAST), "--runs", "2", "--json"))
    assert result.exit_code == 0, result.stderr
    summary = as_object(result.stdout)
    assert (summary["total"], summary["ok"], summary["failed"], summary["done"]) == (8, 8, 0, 0)
    found = rows(tmp_path)
    assert len(found) == 8
    assert all(row.keys() >= FIELDS for row in found)
    assert {(row["class"], row["method"], row["run"]) for row in found} == {
        (label, method, run) for label in ("dog", "house") for method in FAST for run in (0, 1)
    }
    # A log line for each cell, with the time left, where there is no terminal.
    assert "[8/8] pacs photo->sketch house target_only run 1: AUROC" in result.stderr
    assert "min left" in result.stderr
    again = run(*small(tree, tmp_path, "--methods", ",".join(FAST), "--runs", "2"))
    assert "0 cells run, 0 failed, 8 there before, of 8" in again.stdout
    assert rows(tmp_path) == found


@pytest.mark.slow
def test_the_folder_may_come_from_the_environment(
    run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_PACS", str(tree))
    arguments = small(tree, tmp_path, "--methods", "frozen_source")
    at = arguments.index("--root")
    result = run(*arguments[:at], *arguments[at + 2 :])
    assert result.exit_code == 0, result.stderr
    monkeypatch.delenv("TWOFOLD_PACS")
    refused = run(*arguments[:at], *arguments[at + 2 :])
    assert refused.exit_code == 2
    assert "dataset pacs needs --root DIR" in refused.stderr


@pytest.mark.slow
def test_failures_are_told_and_kept(run: Run, tree: Path, tmp_path: Path) -> None:
    clusters = ("--option", "selector=kmeans", "--option", "n_clusters=99")
    result = run(*small(tree, tmp_path, "--methods", "paper", *clusters))
    assert result.exit_code == 0, result.stderr
    assert "0 cells run, 2 failed" in result.stdout
    assert "failed: 99 clusters need at least 99 target images" in result.stderr
    assert [row["status"] for row in rows(tmp_path)] == ["failed", "failed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "nobody"], "unknown method 'nobody'"),
        (["--directions", "sketch:photo"], "no direction 'sketch:photo'"),
        (["--classes", "cat"], "no class 'cat'"),
        (["--protocol", "nothing"], "unknown protocol 'nothing'"),
        (["--preset", "night"], "unknown preset 'night'"),
        (["--anomaly-share", "1.5"], "--anomaly-share '1.5'"),
        (["--anomaly-share", "much"], "--anomaly-share 'much'"),
        (["--pool-size", "-3"], "--pool-size '-3'"),
        (["--pool-size", ","], "--pool-size ','"),
        (["--grid", "n_clusters"], "--grid 'n_clusters'"),
        (["--grid", "n_clusters=0,2"], "n_clusters"),
        (["--option", "nothing=1"], "'nothing'"),
        (["--encoder", "clip_vit_b32", "--weights", "random", "--image-size", "96"], "224 pixels"),
        (["--option", "psi=clip_vit_b32", "--methods", "paper"], "clip_vit_b32"),
    ],
)
def test_wrong_use_is_one_line(
    run: Run, tree: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run(*small(tree, tmp_path, *arguments))
    assert result.exit_code in (1, 2)
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results.jsonl").exists()


def test_an_unknown_dataset_names_the_known(run: Run) -> None:
    result = run("bench", "mnist")
    assert result.exit_code == 2
    assert f"choose one of {', '.join(DATASETS.ids())}" in result.stderr


def start(tree: Path, out: Path, cache: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"TWOFOLD_CACHE": str(cache)}
    command = small(tree, out, "--methods", "frozen_source,source_only,paper,target_only")
    return subprocess.Popen(
        [sys.executable, "-m", "twofold", *command, "--runs", "2"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(
    tree: Path, tmp_path: Path
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert start(tree, whole, tmp_path / "cache").wait(timeout=200) == 0
    lengths = []
    for rows_before_the_kill in (1, 5, 9):
        process = start(tree, torn, tmp_path / "cache")
        deadline = time.monotonic() + 120
        results = torn / "results.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if results.exists() and results.read_bytes().count(b"\n") >= rows_before_the_kill:
                break
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        lengths.append(results.read_bytes().count(b"\n"))
    assert lengths == sorted(lengths)
    assert lengths[-1] < 16
    assert start(tree, torn, tmp_path / "cache").wait(timeout=200) == 0
    assert [timeless(row) for row in rows(torn)] == [timeless(row) for row in rows(whole)]


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["office31", "officehome", "visda2017"])
def test_the_path_of_the_paper_preset_runs(run: Run, tmp_path: Path, dataset: str) -> None:
    """A ResNet that trains whole and CLIP as psi, both with random weights; on one set, all of
    the preset's methods."""
    few = () if dataset == "visda2017" else ("--methods", "paper,source_only,oracle")
    root = make_tree(tmp_path / dataset, dataset, per_class=6, size=48)
    label = {"office31": "bottle", "officehome": "Kettle", "visda2017": "train"}[dataset]
    result = run(
        *("bench", dataset, "--root", root, "--out", tmp_path / "out", "--preset", "smoke"),
        *("--encoder", "resnet18", "--weights", "random", "--selection-weights", "random"),
        *("--option", "psi=clip_vit_b32", "--classes", label, "--shots", "3"),
        *few,
    )
    assert result.exit_code == 0, result.stderr
    found = rows(tmp_path / "out")
    assert {row["status"] for row in found} == {"ok"}
    assert len({row["method"] for row in found}) >= (3 if few else 10)
    paper = next(row for row in found if row["method"] == "paper")
    assert paper["label"] == "paper [psi=clip_vit_b32]"
    assert paper["configuration"]["training"]["trainable"] == "all"
    tables = run("tables", tmp_path / "out", "--published")
    assert tables.exit_code == 0, tables.stderr
