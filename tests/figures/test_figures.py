"""Figures on an ``Axes``: what is drawn is what the numbers say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image
from tests.support.evidence import EVIDENCE, SHIFTED
from tests.support.missing import hide

from twofold.drift import DriftMonitor
from twofold.errors import MissingExtraError, UsageError
from twofold.evidence import visible_flaws
from twofold.figures import (
    axes_or_new,
    file_axes,
    gauges,
    plot_drift,
    plot_evidence,
    plot_image,
    plot_threshold,
    plot_visible_flaws,
    require_matplotlib,
)
from twofold.thresholds import Calibration, fit_threshold

FINDINGS = replace(
    SHIFTED,
    kinship=0.3,
    kinship_low=0.2,
    kinship_high=0.45,
    two_modes_p_value=0.001,
    minor_share=0.2,
    minor_share_low=0.1,
)
STUDIED = replace(EVIDENCE, findings=FINDINGS)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def ax() -> Axes:
    return plt.subplots()[1]


def along(line: Line2D) -> list[float]:
    """Where its points lie to the right."""
    return [float(value) for value in np.ravel(np.asarray(line.get_xdata(), dtype=float))]


def up(line: Line2D) -> list[float]:
    """Where its points lie upwards."""
    return [float(value) for value in np.ravel(np.asarray(line.get_ydata(), dtype=float))]


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_evidence_is_drawn_where_its_gauges_say(ax: Axes) -> None:
    assert plot_evidence(STUDIED, ax=ax) is ax
    assert ax.get_title(loc="left") == "verdict: adapt"
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [along(dot)[0] for dot in dots] == pytest.approx([80, 30, 40])
    spans = [along(line) for line in ax.lines if line.get_linewidth() == 5]
    np.testing.assert_allclose(spans, [[80, 80], [20, 45], [20, 40]])
    limits = [along(line)[0] for line in ax.lines if len(along(line)) == 2]
    assert [gauge.limit for gauge in gauges(STUDIED)] == [50.0, 5.0, pytest.approx(50.0)]
    assert {50.0, 5.0} <= set(limits)
    for said in ("Shift 0.90", "Kinship 0.30 (90%: 0.20 to 0.45)", "Lesser group 20%"):
        assert said in texts(ax)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["where the verdict changes"]


def test_evidence_of_a_fit_that_was_not_studied_says_so(ax: Axes) -> None:
    plot_evidence(replace(EVIDENCE, verdict="not studied"), ax=ax)
    assert any("not studied" in said for said in texts(ax))
    assert not ax.lines


def test_a_long_verdict_stays_on_the_figure(ax: Axes) -> None:
    plot_evidence(replace(STUDIED, verdict="do not trust: " + "word " * 30), ax=ax)
    assert max(map(len, ax.get_title(loc="left").splitlines())) <= 48


def test_flaws_are_drawn_with_their_intervals(ax: Axes) -> None:
    scores = np.array([[0.0] * 20, [2.0] * 9 + [0.0] * 11, [2.0] * 20])
    flaws = visible_flaws(
        scores,
        1.0,
        shares=np.array([0.001, 0.01, 0.05]),
        sides=np.array([7.1, 22.6, 50.6]),
        false_alarm_rate=0.05,
    )
    plot_visible_flaws(flaws, ax=ax)
    np.testing.assert_allclose(up(ax.lines[0]), [0, 45, 100])
    assert along(ax.lines[0]) == [7.1, 22.6, 50.6]
    ends = np.array([up(line) for line in ax.lines[1:3]])
    np.testing.assert_allclose(ends, 100 * np.array([flaws.low, flaws.high]))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["7", "23", "51"]
    assert ax.get_title(loc="left").replace("\n", " ") == flaws.sentence()


def test_a_threshold_lies_among_weighted_scores(ax: Axes) -> None:
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=300), np.r_[np.arange(200), np.full(100, 199)]
    calibration = Calibration.of(scores, groups=groups)
    threshold = fit_threshold(calibration, 0.05)
    new = np.array([np.nan, 0.1, 0.2, 1e9])
    plot_threshold(threshold, calibration, new, ax=ax)
    (line,) = ax.lines
    assert along(line)[0] == threshold.value
    pool, fresh = (patch.get_data() for patch in ax.patches)  # type: ignore[attr-defined]
    assert pool.values.sum() == pytest.approx(100)  # a score beyond the edges is in the last bin
    assert fresh.values.sum() == pytest.approx(100)
    assert fresh.values[-1] == pytest.approx(100 / 3)
    for left, right, height in zip(pool.edges[:-1], pool.edges[1:-1], pool.values, strict=False):
        within = (calibration.scores >= left) & (calibration.scores < right)
        share = calibration.weights[within].sum() / calibration.weights.sum()
        assert height == pytest.approx(100 * share)
    legend = ax.get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["target pool, 300", "new images, 3", "threshold for 5% false alarms"]


def test_equal_scores_have_a_figure(ax: Axes) -> None:
    calibration = Calibration.of(np.ones(30))
    plot_threshold(fit_threshold(calibration, 0.1), calibration, ax=ax)
    ax.figure.canvas.draw()


def test_an_image_is_in_the_pixels_of_its_original(ax: Axes) -> None:
    boxes = [
        SimpleNamespace(x=10, y=20, width=30, height=40, anomalous=True),
        SimpleNamespace(x=1, y=2, width=3, height=4, anomalous=False),
    ]
    small = Image.new("RGB", (20, 10))
    plot_image(small, size=(200, 100), title="$x$_<b>.png", boxes=boxes, flagged=True, ax=ax)
    assert ax.get_xlim() == (0, 200)
    assert ax.get_ylim() == (100, 0)
    frames = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [frame.get_bbox().bounds for frame in frames] == [(10, 20, 30, 40), (1, 2, 3, 4)]
    assert [frame.get_linestyle() for frame in frames] == ["-", "--"]
    assert ax.title.get_text() == "$x$_<b>.png"
    assert not ax.title.get_parse_math()
    assert ax.spines["left"].get_linewidth() == 3
    ax.figure.canvas.draw()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "matplotlib")
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[notebook\]'"):
        require_matplotlib()
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[notebook\]'"):
        axes_or_new(None)


def test_without_axes_a_figure_is_made() -> None:
    before = plt.get_fignums()
    drawn = plot_evidence(STUDIED)
    assert isinstance(drawn, Axes)
    assert len(plt.get_fignums()) == len(before) + 1


def test_drift_is_drawn_image_by_image() -> None:
    rng = np.random.default_rng(0)
    monitor = DriftMonitor(rng.normal(size=(200, 3)))
    found = monitor.update(np.concatenate([rng.normal(size=(50, 3)), rng.normal(3, 1, (150, 3))]))
    ax = plot_drift(monitor)
    domain = next(line for line in ax.lines if line.get_label() == "the domain has moved")
    assert list(np.asarray(domain.get_xdata())) == list(range(1, 201))
    np.testing.assert_array_equal(domain.get_ydata(), monitor.evidence()["domain"])
    said = [text.get_text() for text in ax.texts]
    since = found.warnings["domain"].change.since + 1
    assert said == [f"since {since}", "warning (1% false ones, ever)"]
    # The first point of a line at or above the height of a warning is marked.
    marks = [
        float(np.asarray(line.get_xdata())[0]) for line in ax.lines if line.get_marker() == "o"
    ]
    assert marks == [found.warnings[kind].at for kind in ("domain", "anomalies")]
    assert not plot_drift(DriftMonitor(rng.normal(size=(30, 3)))).texts[1:]


def test_a_figure_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    for kind in ("png", "svg", "pdf"):
        with file_axes(tmp_path / f"new/a.{kind}") as ax:
            ax.plot([1, 2])
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"), file_axes(tmp_path / "a.gif"):
        pass
    with pytest.raises(RuntimeError), file_axes(tmp_path / "b.png"):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
