"""The index: names, main settings, the system a column stands for, failed and missing cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twofold.benchmark.tables.names import Wanted, wanted
from twofold.benchmark.tables.results import Results

MakeLine = Callable[..., dict[str, Any]]
MakeResults = Callable[[list[dict[str, Any]]], Results]


def test_a_summary_keeps_spreads_and_counts_apart(line: MakeLine, results: MakeResults) -> None:
    lines = [
        line(**{"class": name}, run=run, auroc=value)
        for name, value in (("dog", 0.6), ("cat", 0.8))
        for run in range(2)
    ]
    lines[3]["auroc"], lines[3]["status"] = None, "failed"
    lines += [line("auto", **{"class": "cow"}, run=2), line("auto", auroc=None)]
    found = results(lines)
    paper, auto = found.systems
    summary = found.get(paper, "photo->sketch")
    assert summary is not None
    assert summary.class_means == pytest.approx({"cat": 0.8, "dog": 0.6})
    assert summary.average == pytest.approx(0.7)
    assert summary.class_spread == pytest.approx(0.1)
    assert summary.run_spread is None  # only one run has both classes
    # Three classes and three runs are known here: nine cells, of which four rows.
    assert (summary.n_ok, summary.n_failed, summary.n_missing) == (3, 1, 5)
    assert summary.failed_classes == frozenset()
    other = found.get(auto, "photo->sketch")
    assert other is not None
    assert other.failed_classes == {"dog"}
    assert (other.n_ok, other.n_failed, other.n_missing) == (1, 1, 7)
    assert other.mean_of("ap") == pytest.approx(0.7)


def test_the_most_common_setting_is_the_main_one(line: MakeLine, results: MakeResults) -> None:
    lines = [line(anomaly_share=0.3)] + [line(run=run) for run in range(2)]
    found = results([*lines, line("auto", anomaly_share=0.3, run=4)])
    assert found.setting("pacs").anomaly_share == 0.3
    found = results([*lines, line("auto", anomaly_share=0.1)])
    assert found.setting("pacs").anomaly_share == 0.1
    assert [system.name for system in found.of("pacs")] == ["paper", "auto"]


def test_equal_labels_get_what_tells_them_apart(line: MakeLine, results: MakeResults) -> None:
    lines = [
        line("frozen_source"),
        line("frozen_source", encoder="clip_rn50", configuration_id="b" * 12),
        line("frozen_source", dataset="elpv"),
        line("auto", configuration_id="c" * 12),
        line("auto", configuration_id="d" * 12),
        line("source_only"),
    ]
    assert [system.name for system in results(lines).systems] == [
        "frozen_source (efficientnet_lite0)",
        "frozen_source (clip_rn50)",
        "frozen_source (efficientnet_lite0)",
        "auto #cccccc",
        "auto #dddddd",
        "source_only",
    ]


def test_a_column_takes_the_bare_method_or_the_most_complete(
    line: MakeLine, results: MakeResults
) -> None:
    lines = [
        *(line(options={"n_clusters": 5}, run=run) for run in range(3)),
        *(line(options={"n_clusters": 5, "psi": "self"}, run=run) for run in range(3)),
        *(line(options={"selector": "gmm"}, run=run) for run in range(2)),
    ]
    gmm = Wanted("paper", options=(("selector", "gmm"),))

    def label(found: Results, want: Wanted) -> str | None:
        system = found.choose("pacs", want)
        return system.label if system else None

    found = results(lines)
    assert label(found, Wanted("paper")) == "paper [n_clusters=5]"
    assert label(found, gmm) == "paper [selector=gmm]"
    assert label(found, Wanted("paper", encoder="resnet50")) is None
    assert label(results([*lines, line()]), Wanted("paper")) == "paper"
    assert Results(()).choose("pacs", gmm) is None


def test_a_column_of_table_7_has_the_papers_number_of_clusters(
    line: MakeLine, results: MakeResults
) -> None:
    def of(k: int, runs: int) -> list[dict[str, Any]]:
        return [line(options={"selector": "kmeans", "n_clusters": k}, run=r) for r in range(runs)]

    found = results([*of(1, 3), *of(2, 2), *of(10, 3)])
    chosen = found.choose("pacs", wanted("kmeans"))
    assert chosen is not None
    assert chosen.configuration["n_clusters"] == 2
    other = results([*of(1, 3), *of(4, 2)]).choose("pacs", wanted("kmeans"))
    assert other is not None
    assert other.configuration["n_clusters"] == 1
    assert wanted("kmeans").prefers("visda2017", {"n_clusters": 10})
    assert not wanted("ours").prefers("pacs", {"n_clusters": 2})
