"""Cells on a small tree: a row for each, resumed, isolated, with the same test for all methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.support import toy
from tests.support.cells import plan, rows, run
from tests.support.curious import Curious, CuriousConfig
from tests.support.trees import make_tree

from twofold.benchmark import runner
from twofold.benchmark.datasets import DATASETS
from twofold.benchmark.plan import Variant
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders import scales
from twofold.encoders.encode import FrozenEncoder
from twofold.errors import ImageSourceError
from twofold.images import ImageSet
from twofold.method_table import METHODS
from twofold.methods import FitData, Found
from twofold.metrics import auroc

pytestmark = pytest.mark.usefixtures("isolated")


@pytest.mark.slow
def test_every_method_has_a_row_and_all_have_the_same_test(tree: Path, tmp_path: Path) -> None:
    counts, told = run(plan(tree, METHODS.ids(), runs=2), tmp_path)
    found = rows(tmp_path)
    assert counts == {"total": 2 * len(METHODS.ids()), "done": 0, "ok": len(found), "failed": 0}
    assert [row["method"] for row in found] == [*METHODS.ids(), *METHODS.ids()]
    assert told == found
    for row in found:
        assert row["status"] == "ok"
        assert row["error"] is None
        assert 0 <= row["auroc"] <= 1
        assert 0 <= row["ap"] <= 1
        assert 0 <= row["fpr95"] <= 1
        assert row["n_source"] == 12
        assert row["n_test"] == 12 * 7 - 7
        needs = METHODS.load(row["method"]).needs
        assert row["n_target"] == (7 if "target_pool" in needs else 0)
        assert row["n_shots"] == (4 if "target_shots" in needs else 0)
        assert row["random_state"] == row["run"]


@pytest.mark.slow
def test_a_row_is_what_the_method_gives_by_hand(tree: Path, tmp_path: Path) -> None:
    run(plan(tree, ("frozen_source",)), tmp_path)
    dataset = DATASETS.load("pacs")(tree)
    near, far = dataset.domain("photo"), dataset.domain("sketch")
    frozen = FrozenEncoder(toy.encoder(), ("pooled",), engine="torch")
    source = frozen.encode(ImageSet.from_paths(near.paths)).subset(near.labels("dog") == 0)
    target = frozen.encode(ImageSet.from_paths(far.paths))
    split = uda_inductive(far.labels("dog"), random_state=0, n_shots=4)
    method = METHODS.load("frozen_source")(toy.encoder()).fit(FitData(source)).model
    scores = method.score(target.subset(split.test))
    expected = auroc(scores[split.test_labels == 0], scores[split.test_labels == 1])
    assert rows(tmp_path)[0]["auroc"] == expected


@pytest.mark.slow
def test_the_same_command_goes_on_and_a_changed_configuration_is_new(
    tree: Path, tmp_path: Path
) -> None:
    run(plan(tree, ("frozen_source", "source_only")), tmp_path)
    again, _ = run(plan(tree, ("frozen_source", "source_only")), tmp_path)
    assert (again["done"], again["ok"]) == (2, 0)
    more, _ = run(plan(tree, ("frozen_source", "source_only"), runs=2), tmp_path)
    assert (more["done"], more["ok"]) == (2, 2)
    other = plan(tree, ("source_only",), options={"lambda_ad": 2.0})
    changed, told = run(other, tmp_path)
    assert (changed["done"], changed["ok"]) == (0, 1)
    assert told[0]["label"] == "source_only [lambda_ad=2.0]"
    assert len({row["configuration_id"] for row in rows(tmp_path)}) == 3


def test_rows_of_an_older_algorithm_do_not_count_as_done(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = plan(tree, ("frozen_source",))
    run(one, tmp_path)
    monkeypatch.setattr(METHODS.load("frozen_source"), "revision", 99)
    counts, told = run(one, tmp_path)
    assert (counts["done"], counts["ok"]) == (0, 1)
    assert told[0]["revision"] == 99
    # Another version of what the method reads is another algorithm, too.
    monkeypatch.setattr(scales, "VERSION", 99)
    counts, _ = run(one, tmp_path)
    assert (counts["done"], counts["ok"]) == (0, 1)
    counts, _ = run(one, tmp_path)
    assert (counts["done"], counts["ok"]) == (1, 0)


def test_a_failed_cell_is_a_row_and_the_run_goes_on(tree: Path, tmp_path: Path) -> None:
    whole = plan(tree, ("paper", "target_only"), options={"selector": "kmeans", "n_clusters": 500})
    counts, _ = run(whole, tmp_path)
    assert (counts["ok"], counts["failed"]) == (1, 1)
    failed, fine = rows(tmp_path)
    assert failed["status"] == "failed"
    assert "500 clusters need at least 500" in failed["error"]
    assert len(failed["error"].splitlines()) == 1
    assert failed["auroc"] is None
    assert fine["status"] == "ok"
    kept, _ = run(whole, tmp_path)
    assert (kept["done"], kept["failed"]) == (2, 0)
    tried, _ = run(whole, tmp_path, retry_failed=True)
    assert (tried["done"], tried["failed"]) == (1, 1)


def test_an_unexpected_failure_is_named_by_its_kind(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> float:
        raise ZeroDivisionError("by hand\nand more")

    monkeypatch.setattr(runner, "auroc", broken)
    run(plan(tree, ("frozen_source",)), tmp_path)
    assert rows(tmp_path)[0]["error"] == "ZeroDivisionError: by hand and more"


def test_an_interruption_is_no_result(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "auroc", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(plan(tree, ("frozen_source",)), tmp_path)
    assert rows(tmp_path) == []


def test_an_incomplete_dataset_stops_the_run(tmp_path: Path) -> None:
    whole = plan(tmp_path / "nothing", ("frozen_source",))
    with pytest.raises(ImageSourceError, match="no such folder"):
        run(whole, tmp_path / "out")


def test_labels_never_come_from_the_test(tree: Path, tmp_path: Path) -> None:
    whole = plan(tree, ("oracle", "target_only"), protocol="uda_transductive")
    run(whole, tmp_path)
    oracle, fair = rows(tmp_path)
    assert oracle["status"] == "failed"
    assert "would see the answers" in oracle["error"]
    assert fair["status"] == "ok"


@pytest.mark.slow
def test_owners_folders_have_no_labels_for_the_pool(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "mine", "folders", per_class=10, size=32)
    dataset = DATASETS.load("folders")(root)
    whole = plan(
        root,
        ("oracle", "auto", "paper_few_shot"),
        dataset=dataset,
        directions=dataset.directions,
        classes=dataset.classes,
        protocol="given",
    )
    run(whole, tmp_path / "out")
    oracle, auto, few = rows(tmp_path / "out")
    assert "unknown here" in oracle["error"]
    assert auto["status"] == few["status"] == "ok"
    assert auto["n_target"] == 11
    assert few["n_shots"] == 5
    assert auto["diagnostics"] == {}


def test_copies_of_pool_images_leave_the_test(tree: Path, tmp_path: Path) -> None:
    copied = make_tree(tmp_path / "copied", "pacs", per_class=12, size=32)
    dogs = sorted((copied / "sketch" / "dog").iterdir())
    split = uda_inductive(np.repeat([0, 1], [12, 72]), random_state=0, n_shots=4)
    inside, outside = split.pool[0], next(row for row in split.test if row < 12)
    dogs[outside].write_bytes(dogs[inside].read_bytes())
    run(plan(copied, ("frozen_source",)), tmp_path)
    (row,) = rows(tmp_path)
    assert row["n_test_copies"] == 1
    assert row["n_test"] == 12 * 7 - 7 - 1


def test_unusable_images_are_left_out(tmp_path: Path) -> None:
    broken = make_tree(tmp_path / "broken", "pacs", per_class=12, size=32)
    for domain in ("photo", "sketch"):
        sorted((broken / domain / "dog").iterdir())[3].write_bytes(b"not an image")
    run(plan(broken, ("frozen_source",)), tmp_path)
    (row,) = rows(tmp_path)
    assert row["status"] == "ok"
    assert row["n_source"] == 11
    assert row["n_test"] == 12 * 7 - 1 - 6  # The pool: 11 // 2 normals and one anomaly.


def test_the_choice_of_the_dominant_cluster_is_judged(tree: Path, tmp_path: Path) -> None:
    whole = plan(tree, ("oracle", "paper", "align_all", "source_only"), anomaly_shares=(0.3,))
    run(whole, tmp_path)
    found = {row["method"]: row["diagnostics"] for row in rows(tmp_path)}
    assert found["oracle"] == {
        "dominant_share": 6 / 9,
        "dominant_precision": 1.0,
        "dominant_recall": 1.0,
        "negatives_normal": 0.0,
    }
    assert found["align_all"] == {
        "dominant_share": 1.0,
        "dominant_precision": 6 / 9,
        "dominant_recall": 1.0,
    }
    assert found["source_only"] == {}
    assert set(found["paper"]) == set(found["oracle"])


def test_a_chosen_number_of_clusters_is_told(tree: Path, tmp_path: Path) -> None:
    run(plan(tree, ("paper",), options={"selector": "kmeans", "n_clusters": "auto"}), tmp_path)
    (row,) = rows(tmp_path)
    # Seven images are one mode.
    assert row["diagnostics"]["chosen_clusters"] == 1.0
    assert row["configuration"]["n_clusters"] == "auto"


@pytest.mark.slow
def test_a_second_encoder_selects(tree: Path, tmp_path: Path) -> None:
    second = replace(toy.encoder(), weights_sha256="0" * 64)
    first, _ = (
        run(plan(tree, ("paper",), options=options), tmp_path, selection={toy.ENCODER: second})
        for options in ({"psi": toy.ENCODER}, {"psi": "frozen"})
    )
    assert first[0]["ok"] == 1
    one, two = rows(tmp_path)
    # The same network under another name: another configuration with the same result.
    assert one["configuration_id"] != two["configuration_id"]
    assert one["auroc"] == two["auroc"]


def test_sweeps(tree: Path, tmp_path: Path) -> None:
    run(plan(tree, ("target_only",), anomaly_shares=(0.0, 0.4), pool_sizes=(4, None)), tmp_path)
    found = {
        (r["anomaly_share"], r["pool_size"]): (r["n_target"], r["n_test"]) for r in rows(tmp_path)
    }
    assert found == {
        (0.0, 4): (4, 78),
        (0.0, None): (6, 78),
        (0.4, 4): (4, 74),
        (0.4, None): (10, 74),
    }


def test_a_network_that_trains_whole_reads_images_as_it_goes(tree: Path, tmp_path: Path) -> None:
    run(plan(tree, ("paper",), options={"training": {"trainable": "all"}}), tmp_path)
    (row,) = rows(tmp_path)
    assert row["status"] == "ok", row["error"]


class _Recorded(Curious):
    """Every fit's data and random state."""

    seen: ClassVar[list[FitData]] = []

    def _fit(self, data: FitData, random_state: int, progress: Any) -> Found:
        self.seen.append(data)
        return super()._fit(data, random_state, progress)


def test_what_a_configuration_wants_is_handed_over(tree: Path, tmp_path: Path) -> None:
    _Recorded.seen.clear()
    wants: list[tuple[Any, ...]] = [(), ("source_anomalies", "source_reference", "target_pool")]
    variants = tuple(
        Variant(_Recorded, CuriousConfig(wants=some), f"curious {some}") for some in wants
    )
    counts, _ = run(plan(tree, (), variants=variants, runs=2), tmp_path)
    assert counts["ok"] == 4
    bare, whole, _, again = _Recorded.seen
    assert bare.source_anomalies is None
    assert bare.source_reference is None
    assert bare.target_pool is None
    assert whole.target_pool is not None
    assert whole.source_reference is not None
    assert whole.source_reference.names == (min(whole.source.names),)
    anomalies, other = whole.source_anomalies, again.source_anomalies
    assert anomalies is not None
    assert other is not None
    # Of the other classes of the source, as many as there are normals, drawn anew in each run.
    assert len(anomalies) == len(whole.source) == 12
    assert all("/photo/" in name and "/dog/" not in name for name in anomalies.names)
    assert len(set(anomalies.names)) == 12
    assert anomalies.names != other.names
    names = [row["n_target"] for row in rows(tmp_path)]
    assert names == [0, 7, 0, 7]


def test_the_draw_of_source_anomalies_is_the_cells(tree: Path, tmp_path: Path) -> None:
    _Recorded.seen.clear()
    variants = (Variant(_Recorded, CuriousConfig(wants=("source_anomalies",)), "curious"),)
    for folder in ("one", "two"):
        run(plan(tree, (), variants=variants), tmp_path / folder)
    one, two = (data.source_anomalies for data in _Recorded.seen)
    assert one is not None
    assert two is not None
    assert one.names == two.names
