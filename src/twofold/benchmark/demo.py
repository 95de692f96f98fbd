"""The demo: a detector trained on one kind of solar cell, adapted to another without labels."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.elpv import DOMAINS, Cells, load_cells
from twofold.benchmark.montage import Row, draw_montage
from twofold.benchmark.protocol import Split, uda_inductive
from twofold.detector import Detector
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.errors import TwofoldError
from twofold.files import write_whole
from twofold.images import ImageSet
from twofold.method_table import METHODS
from twofold.methods import FitData, Method, parse_config
from twofold.metrics import auroc, average_precision
from twofold.report import require_jinja, write_report
from twofold.spreadsheet import csv_text

__all__ = ["DEMO_METHODS", "METRICS", "run_demo"]

DEMO_METHODS = ("frozen_source", "source_only", "target_only", "paper", "auto", "oracle")
METRICS = ("auroc", "ap", "false_alarm_rate")
_RANDOM_STATES = (0, 1, 2)
_ANOMALY_SHARE = 0.1
# As the benchmark on two cores: over ten passes over the 588 mono cells.
_TRAINING = {"training": {"max_steps": 200}}
_SHOWN = 6

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Domain:
    """One kind of cell, encoded once for every direction, method and random state."""

    cells: Cells
    encoded: EncodedImages


def run_demo(out: Path, report: Report) -> dict[str, Any]:
    """Run every method in both directions and write scores, models, pictures and reports.

    Args:
        out: folder to write into.
        report: told about progress as (what, done, total).

    Returns:
        ``directions``: direction -> method -> mean of each metric over the random states as a
        fraction, its spread (population standard deviation) under ``<metric>_std``, and
        ``uses_labels``; ``seconds``; ``files``. The same is in ``figures.json`` in the folder.

    Raises:
        TwofoldError: the dataset or jinja2 is missing, or ``out`` cannot be written.
    """
    start = time.perf_counter()
    require_jinja()
    out.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder()
    frozen = FrozenEncoder(encoder, _outputs(), cache=default_cache())
    domains = {name: _encode(name, frozen, report) for name in DOMAINS}
    directions: dict[str, Any] = {}
    files: list[str] = []
    total = len(DOMAINS) * len(_RANDOM_STATES) * len(DEMO_METHODS)
    done = 0
    for source, target in (DOMAINS, DOMAINS[::-1]):
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in DEMO_METHODS}
        for state in _RANDOM_STATES:
            split = uda_inductive(
                domains[target].cells.labels, anomaly_share=_ANOMALY_SHARE, random_state=state
            )
            for name in DEMO_METHODS:
                shown = name == "auto" and state == _RANDOM_STATES[0]
                detector = _fit(
                    name, encoder, domains[source], domains[target], split, state, studied=shown
                )
                figures, scores = _test(detector, domains[target], split)
                runs[name].append(figures)
                if shown:
                    files += _write(
                        out, f"{source}-to-{target}", detector, domains[target], split, scores
                    )
                done += 1
                report("fit and test", done, total)
        directions[f"{source}->{target}"] = {
            name: _summary(METHODS.load(name), figures) for name, figures in runs.items()
        }
    result = {
        "directions": directions,
        "seconds": round(time.perf_counter() - start, 1),
        "files": [*files, str(out / "figures.json")],
    }
    write_whole(out / "figures.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def _encode(name: str, frozen: FrozenEncoder, report: Report) -> _Domain:
    cells = load_cells(name)
    encoded = frozen.encode(
        ImageSet.from_paths(cells.paths),
        strict=True,
        progress=lambda done, total: report(f"encode {name}", done, total),
    )
    return _Domain(cells, encoded)


def _fit(
    name: str,
    encoder: Encoder,
    source: _Domain,
    target: _Domain,
    split: Split,
    state: int,
    *,
    studied: bool,
) -> Detector:
    method_class = METHODS.load(name)
    method = method_class(encoder, parse_config(method_class, _options(method_class)))
    pool = target.encoded.subset(split.pool)
    data = FitData(
        source=source.encoded.subset(source.cells.labels == 0),
        target_pool=pool if "target_pool" in method.needs else None,
        target_labels=split.pool_labels if method.uses_labels() else None,
    )
    with warnings.catch_warnings():
        # What they say (a threshold that rests on the source) is a column of the table.
        warnings.simplefilter("ignore", UserWarning)
        detector = Detector(method=name, random_state=state)
        return detector.fit_encoded(method, data, pool=pool, studied=studied)


def _outputs() -> tuple[str, ...]:
    """What any of the methods reads."""
    wanted: dict[str, None] = {}
    for method in map(METHODS.load, DEMO_METHODS):
        wanted |= dict.fromkeys(parse_config(method, _options(method)).outputs())
    return tuple(wanted)


def _options(method: type[Method]) -> dict[str, Any]:
    return _TRAINING if "training" in method.Config.model_fields else {}


def _test(
    detector: Detector, target: _Domain, split: Split
) -> tuple[dict[str, float], NDArray[np.float64]]:
    result = detector.score_encoded(target.encoded.subset(split.test))
    normal = split.test_labels == 0
    low, high = result.scores[normal], result.scores[~normal]
    return {
        "auroc": auroc(low, high),
        "ap": average_precision(low, high),
        "false_alarm_rate": float(result.anomalous[normal].mean()),
    }, result.scores


def _summary(method: type[Method], runs: list[dict[str, float]]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for metric in METRICS:
        values = [run[metric] for run in runs]
        summary[metric] = float(np.mean(values))
        summary[f"{metric}_std"] = float(np.std(values))
    return summary | {"uses_labels": method.uses_labels()}


def _write(
    out: Path,
    name: str,
    detector: Detector,
    target: _Domain,
    split: Split,
    scores: NDArray[np.float64],
) -> list[str]:
    """The model, the test scores, the picture and the report of one direction."""
    model, table, picture, page = (
        out / f"{name}.{kind}" for kind in ("twofold", "csv", "png", "html")
    )
    detector.save(model)
    paths = [target.cells.paths[row] for row in split.test]
    try:
        flags = (scores > detector.threshold_.value).astype(int)
        columns = (paths, scores.tolist(), flags.tolist(), split.test_labels.tolist())
        header = ("image", "score", "anomalous", "defective")
        write_whole(table, csv_text(header, zip(*columns, strict=True)).encode())
        order = np.argsort(scores)
        draw_montage(
            [
                _row(
                    "lowest scores: most like the target's normal cells",
                    order[:_SHOWN],
                    paths,
                    scores,
                    split,
                ),
                _row("highest scores", order[::-1][:_SHOWN], paths, scores, split),
            ],
            picture,
        )
        write_report(detector, paths, page, labels=split.test_labels, model=model)
    except OSError as error:
        raise TwofoldError(f"cannot write into {out}: {error.strerror}") from error
    return [str(model), str(table), str(picture), str(page)]


def _row(
    title: str, rows: NDArray[np.intp], paths: list[str], scores: NDArray[np.float64], split: Split
) -> Row:
    kinds = ("functional", "defective")
    return Row(
        title=title,
        images=ImageSet.from_paths([paths[row] for row in rows]),
        captions=[f"{scores[row]:.0f} ({kinds[split.test_labels[row]]})" for row in rows],
    )
