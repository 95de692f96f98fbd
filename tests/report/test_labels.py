"""Labels of images, and what they measure, against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from twofold.errors import ImageSourceError, UsageError
from twofold.report.labels import check_labels, measure, read_labels


def test_labels_go_by_the_path_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    for name in "abcd":
        (tmp_path / "images" / f"{name}.png").write_bytes(b"x")
    table = tmp_path / "labels.csv"
    rows = ["images/a.png,1", "images/../images/b.png,Normal", "images/c.png,", "other.png,1"]
    table.write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path / "images")
    names = ["a.png", str(tmp_path / "images" / "b.png"), "c.png", "d.png"]
    assert read_labels(str(table), names).tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("labels.csv", "image,label\na.png,maybe\n", "'maybe' is no label"),
        ("labels.csv", "image,kind\na.png,1\n", "no column named 'label'"),
        ("labels.csv", "image,label\nb.png,1\n", "none of its 1 images"),
        ("labels.json", "{}", "name a table"),
        ("missing.csv", None, "missing.csv"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, name: str, text: str | None, match: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises((UsageError, ImageSourceError), match=match) as caught:
        read_labels(str(tmp_path / name), ["a.png"])
    assert "\n" not in str(caught.value)
    if "none of its" not in match:
        with pytest.raises((UsageError, ImageSourceError), match=match):
            check_labels(str(tmp_path / name))


def test_figures_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 90)
    scores = np.round(generator.normal(size=90) + labels, 1)  # with ties
    scores[5], labels[7] = np.nan, -1
    found = measure(scores, labels, 0.6)
    assert found is not None
    known = ~np.isnan(scores) & (labels >= 0)
    truth, values = labels[known], scores[known]
    areas = {name: figure.value for name, figure in found.areas}
    assert areas["AUROC"] == pytest.approx(roc_auc_score(truth, values))
    assert areas["average precision"] == pytest.approx(average_precision_score(truth, values))
    assert found.confusion == tuple(confusion_matrix(truth, values > 0.6).ravel())
    assert (found.n_normal, found.n_anomalous) == ((truth == 0).sum(), (truth == 1).sum())
    assert found.n_unlabelled == 1
    false_alarms, recall, _ = roc_curve(truth, values, drop_intermediate=False)
    assert np.allclose(np.array(found.roc), np.c_[false_alarms, recall])
    precision, at, _ = precision_recall_curve(truth, values)
    theirs = np.c_[at, precision][::-1][1:]  # theirs ends in a point at recall 0 of its own
    assert np.allclose(np.array(found.precision_recall), theirs)


def test_one_kind_alone_measures_nothing() -> None:
    assert measure(np.arange(3.0), np.array([0, 0, -1]), 1.0) is None


def test_nothing_flagged_has_no_precision() -> None:
    found = measure(np.arange(4.0), np.array([0, 0, 1, 1]), 9.0)
    assert found is not None
    assert [name for name, _ in found.rates] == [
        "anomalies found (recall)",
        "false alarms among normal images",
    ]
