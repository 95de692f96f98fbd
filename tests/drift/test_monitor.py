"""A stream of images: false warnings, and what a change is taken for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from twofold.drift import DriftMonitor, read_document
from twofold.errors import ConfigError, NotEnoughImagesError

Change = Callable[[np.random.Generator, np.ndarray], None]
F = 9


def anomalies(share: float) -> Change:
    """Far off in every number, the more the later: none at first."""

    def change(rng: np.random.Generator, values: np.ndarray) -> None:
        odd = rng.random(len(values)) < share
        values[odd] += 5.0

    return change


def moved(by: float, numbers: slice) -> Change:
    def change(rng: np.random.Generator, values: np.ndarray) -> None:
        del rng
        values[:, numbers] += by

    return change


def kinds(change: Change, *, n: int = 300, before: int = 200, after: int = 600) -> Counter[str]:
    """What ten changes are taken for in the end."""
    found: Counter[str] = Counter()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor(rng.normal(size=(n, F)))
        stream = rng.normal(size=(before + after, F))
        change(rng, stream[before:])
        drift = monitor.update(stream)
        found[drift.kind] += 1
        assert all(warned.at > before for warned in drift.warnings.values())
    return found


def test_nothing_is_no_warning() -> None:
    assert kinds(anomalies(0.0)) == {"none": 10}


def test_a_few_more_anomalies_are_no_domain_that_moved() -> None:
    assert kinds(anomalies(0.2)) == {"anomalies": 10}


@pytest.mark.slow
def test_a_long_stream_knows_better_than_the_fit_what_is_usual() -> None:
    """Of 100 images of the fit, a tenth of anomalies cannot be told from chance."""
    assert kinds(anomalies(0.1), n=100, before=50) == {"none": 10}
    assert kinds(anomalies(0.1), n=100, before=2000, after=1000) == {"anomalies": 10}


@pytest.mark.parametrize(
    "change", [moved(1.5, slice(0, 1)), moved(1.5, slice(3, 4)), moved(-1.5, slice(0, 1))]
)
def test_a_domain_that_moves_is_one(change: Change) -> None:
    assert kinds(change) == {"domain": 10}


def test_images_that_hardly_vary_are_a_change() -> None:
    """A camera that always shows the same."""

    def stuck(rng: np.random.Generator, values: np.ndarray) -> None:
        del rng
        values[:] = values[0]

    assert kinds(stuck) == {"domain": 10}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "rate"), [(30, 0.2), (500, 0.2)])
def test_false_warnings_in_a_thousand_streams(n: int, rate: float) -> None:
    """At most as many as stated, up to the noise of a thousand streams.

    The stream is of the same distribution as the fit, with ties and a heavy tail.
    """
    warned = 0
    for seed in range(1000):
        rng = np.random.default_rng([n, seed])

        def draw(m: int, rng: np.random.Generator = rng) -> np.ndarray:
            values = rng.standard_t(2, size=(m, 3))
            values[:, 2] = np.round(values[:, 2])
            return values

        monitor = DriftMonitor(draw(n), false_warnings=rate)
        warned += monitor.update(draw(600)).kind != "none"
    assert warned <= stats.binom.ppf(0.999, 1000, rate)


def test_when_images_come_makes_no_difference() -> None:
    rng = np.random.default_rng(0)
    reference, stream = rng.normal(size=(100, F)), rng.normal(size=(400, F))
    stream[150:] += 2.0
    at_once, one_by_one = DriftMonitor(reference), DriftMonitor(reference)
    whole = at_once.update(stream)
    for row in stream:
        last = one_by_one.update(row[None])
    np.testing.assert_array_equal(one_by_one.recent(), stream)
    assert whole.warnings == last.warnings
    assert whole.p_values == pytest.approx(last.p_values)
    for kind, course in at_once.evidence().items():
        np.testing.assert_allclose(course, one_by_one.evidence()[kind], rtol=1e-9)


def test_a_warning_stays() -> None:
    rng = np.random.default_rng(1)
    monitor = DriftMonitor(rng.normal(size=(200, F)))
    monitor.update(rng.normal(size=(100, F)) + 3)
    first = monitor.current().warnings["domain"]
    monitor.update(rng.normal(size=(500, F)))
    drift = monitor.current()
    assert drift.kind == "domain"
    assert drift.warnings["domain"].at == first.at
    assert drift.n_images == 600
    assert "Fit again with the last" in drift.advice()


def test_advice() -> None:
    rng = np.random.default_rng(2)
    monitor = DriftMonitor(rng.normal(size=(200, F)))
    assert "Go on" in monitor.update(np.empty((0, F))).advice()
    stream = rng.normal(size=(500, F))
    anomalies(0.25)(rng, stream)
    assert "Review 20 of the last" in monitor.update(stream).advice()


def test_wrong_use() -> None:
    values = np.random.default_rng(3).normal(size=(30, F))
    with pytest.raises(NotEnoughImagesError, match="at least 20 independent target images"):
        DriftMonitor(values[:19])
    with pytest.raises(ConfigError, match="finite"):
        DriftMonitor(np.full((30, 2), np.nan))
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="false warning"):
            DriftMonitor(values, false_warnings=rate)
    monitor = DriftMonitor(values)
    for wrong in (values[:, :2], values[0], np.full((1, F), np.inf)):
        with pytest.raises(ConfigError, match="9 finite numbers"):
            monitor.update(wrong)


@pytest.mark.parametrize("cut", [1, 60, 250, 1500])
def test_a_kept_monitor_goes_on_to_the_last_bit(cut: int) -> None:
    rng = np.random.default_rng(4)
    reference = rng.normal(size=(60, 3))
    stream = rng.normal(size=(1600, 3)) + np.linspace(0, 2, 1600)[:, None]
    whole, first = (
        DriftMonitor(reference, false_warnings=0.05),
        DriftMonitor(reference, false_warnings=0.05),
    )
    whole.update(stream[:cut])
    first.update(stream[:cut])
    document = first.document()
    assert document is not None
    later = DriftMonitor.from_document(reference, document)
    assert later.document() == document
    assert later.current() == whole.current()
    assert later.update(stream[cut:]) == whole.update(stream[cut:])
    np.testing.assert_array_equal(later.recent(), whole.recent())
    for kind, course in whole.evidence().items():
        np.testing.assert_array_equal(later.evidence()[kind], course)


def test_before_the_first_image_there_is_nothing_to_keep() -> None:
    assert DriftMonitor(np.random.default_rng(0).normal(size=(30, 2))).document() is None


def _spoilt(document: bytes) -> dict[str, bytes]:
    found = json.loads(document)
    short = found | {"recent": found["recent"][:-1]}
    narrow = found | {"recent": [row[:-1] for row in found["recent"]]}
    endless = found | {"domain": found["domain"] | {"most": 1e300}}
    few = found | {"domain": found["domain"] | {"log_bets": found["domain"]["log_bets"][:-1]}}
    ragged = found | {"recent": [*found["recent"][:-1], found["recent"][-1][:-1]]}
    late = found | {"anomalies": found["anomalies"] | {"warned_at": 99}}
    uncounted = found | {"anomalies": found["anomalies"] | {"counts": [0, 1]}}
    more = found | {"also": 1}
    text = found | {"seen": "7"}
    cases = locals()
    names = ("short", "narrow", "endless", "few", "ragged", "late", "uncounted", "more", "text")
    return {name: json.dumps(cases[name]).encode() for name in names} | {
        "nothing": b"",
        "torn": document[: len(document) // 2],
        "bytes": bytes(range(256)),
        "deep": b"[" * 100_000,
        "nan": document.replace(b'"most":0.0', b'"most":NaN'),
    }


def test_a_document_that_is_none_is_refused_by_name() -> None:
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(40, 2))
    monitor = DriftMonitor(reference)
    monitor.update(rng.normal(size=(7, 2)))
    document = monitor.document()
    assert document is not None
    for name, spoilt in _spoilt(document).items():
        with pytest.raises(ConfigError, match=f"^{name}: "):
            DriftMonitor.from_document(reference, spoilt, name)
    with pytest.raises(ConfigError, match="another model"):
        DriftMonitor.from_document(reference + 1e-9, document)


def test_a_file_of_any_size_is_read_in_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.json"
    assert read_document(file, "x") is None
    file.write_bytes(b"1234")
    assert read_document(file, "x") == b"1234"
    monkeypatch.setattr("twofold.drift.document._MOST_BYTES", 3)
    with pytest.raises(ConfigError, match=r"^x: too large"):
        read_document(file, "x")
