"""Runs the cells of a plan and writes a row for each, whatever becomes of it."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from twofold import __version__
from twofold.benchmark.bank import Bank, Stock, no_shift_rows
from twofold.benchmark.diagnostics import best_epoch, diagnostics
from twofold.benchmark.plan import Cell, Plan, Variant, configuration_id
from twofold.benchmark.protocol import PROTOCOLS, Split
from twofold.benchmark.results import RESULTS_FILE, ResultsFile, row_key
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import output_digest
from twofold.encoders.pixels import LAZY_OUTPUTS
from twofold.encoders.text import text_digest
from twofold.errors import ConfigError, TwofoldError
from twofold.methods import FitData, first_by_name
from twofold.metrics import auroc, average_precision, fpr_at_tpr

__all__ = ["Encoders", "run_benchmark"]

Array = NDArray[np.float64]
Row = dict[str, Any]
Side = Literal["source", "target"]
Report = Callable[[str, int, int], None]
Tell = Callable[[Row, int, int], None]


@dataclass(frozen=True)
class Encoders:
    """The networks of a benchmark.

    Attributes:
        main: f, adapted by the methods that train.
        selection: psi by id, for the methods that ask for one.
    """

    main: Encoder
    selection: dict[str, Encoder]


def run_benchmark(
    plan: Plan,
    encoders: Encoders,
    out: Path,
    *,
    report: Report,
    tell: Tell,
    retry_failed: bool = False,
) -> dict[str, int]:
    """Run every cell that ``out/results.jsonl`` has no row for.

    Args:
        plan: the cells.
        encoders: loaded.
        out: folder of the results.
        report: told about encoding, as (what, done, total).
        tell: told about each finished cell, as (row, done, total).
        retry_failed: run the cells again whose row says ``failed``.

    Returns:
        Numbers of cells: ``total``, ``done`` before, ``ok`` and ``failed`` now.

    Raises:
        TwofoldError: the dataset is incomplete, or the results cannot be written.
    """
    runner = _Runner(plan, encoders, Bank(plan.dataset, report))
    results = ResultsFile(out / RESULTS_FILE)
    counts = {"total": len(plan), "done": 0, "ok": 0, "failed": 0}
    with results.writing() as known:
        for index, cell in enumerate(plan.cells(), start=1):
            row = runner.describe(cell)
            before = known.get(row_key(row))
            if before is not None and not (retry_failed and before["status"] == "failed"):
                counts["done"] += 1
                continue
            row |= runner.run(cell)
            results.append(row)
            counts[row["status"]] += 1
            tell(row, index, len(plan))
    return counts


class _Runner:
    """What the cells of a plan share."""

    def __init__(self, plan: Plan, encoders: Encoders, bank: Bank) -> None:
        self._plan, self._encoders, self._bank = plan, encoders, bank
        self._versions = {
            "twofold": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        }

    def describe(self, cell: Cell) -> Row:
        """The part of a row that is known before the cell runs."""
        variant, encoder = cell.variant, self._encoders.main
        psi = variant.config.selection_encoder()
        configuration = variant.config.model_dump(mode="json")
        deciding = {
            "configuration": configuration,
            "revision": variant.method.revision,
            "outputs": self._outputs(variant),
            "psi": None if psi is None else self._encoders.selection[psi].fingerprint,
            "n_shots": self._plan.n_shots,
        }
        if variant.config.reads_text():
            deciding["text_tower"] = self._text_tower()
        return {
            "dataset": self._plan.dataset.id,
            "direction": "->".join(cell.direction),
            "class": cell.normal,
            "method": variant.method.id,
            "label": variant.label,
            "run": cell.run,
            "random_state": cell.run,
            "protocol": self._plan.protocol,
            "anomaly_share": cell.anomaly_share,
            "pool_size": cell.pool_size,
            "preset": self._plan.preset.id,
            "encoder": encoder.spec.id,
            "image_size": encoder.spec.preprocessing.size,
            "weights_sha256": encoder.weights_sha256,
            "configuration": configuration,
            "configuration_id": configuration_id(deciding),
            "revision": variant.method.revision,
            "versions": self._versions,
        }

    def _text_tower(self) -> str | None:
        """Digest of the weights that texts are read with; None where the cell will say why not."""
        try:
            return text_digest(self._encoders.main)
        except TwofoldError:
            return None

    def _outputs(self, variant: Variant) -> dict[str, str]:
        """What the method reads of the encoder, output by output, to the last constant."""
        config, encoder = variant.config, self._encoders.main
        names = {*config.outputs(), *config.shot_outputs()}
        # Those made on demand are the encoder's input, which its fingerprint stands for.
        return {
            name: encoder.fingerprint if name in LAZY_OUTPUTS else output_digest(encoder, name)
            for name in sorted(names)
        }

    def run(self, cell: Cell) -> Row:
        """Fit and test; a failure is a result too."""
        row: Row = dict.fromkeys(
            ("auroc", "ap", "fpr95", "n_source", "n_target", "n_test", "n_shots")
        )
        row |= {"status": "failed", "error": None, "diagnostics": {}, "notes": []}
        # Encoding belongs to no cell: whichever comes first would pay for all.
        target = self._stock(cell, "target")
        source = self._stock(cell, "source")
        self._selection(cell)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                row |= self._fit_and_test(cell, source, target, row)
            row["status"] = "ok"
            row["notes"] = sorted({str(w.message) for w in caught if w.category is UserWarning})
        except Exception as error:  # Whatever it is, the other cells go on.
            text = " ".join(str(error).split())
            known = isinstance(error, TwofoldError)
            row["error"] = text if known else f"{type(error).__name__}: {text}"
        return row | {"seconds": round(time.perf_counter() - start, 3)}

    def _stock(self, cell: Cell, side: Side, outputs: Sequence[str] | None = None) -> Stock:
        """One side of a cell, with the outputs its method reads unless others are named."""
        if outputs is None:
            outputs = cell.variant.config.outputs()
        return self._part(cell, side, self._encoders.main, outputs)

    def _part(self, cell: Cell, side: Side, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        """The images of one side: a domain, or half of it where it is source and target."""
        source, target = cell.direction
        stock = self._bank.stock(source if side == "source" else target, encoder, outputs)
        if source != target:
            return stock
        halves = no_shift_rows(stock.domain.labels(cell.normal), cell.run)
        return stock.subset(halves[("source", "target").index(side)])

    def _selection(self, cell: Cell) -> Stock | None:
        """The target under the method's second encoder, if it has one."""
        name = cell.variant.config.selection_encoder()
        if name is None:
            return None
        return self._part(cell, "target", self._encoders.selection[name], ("pooled",))

    def _fit_and_test(self, cell: Cell, source: Stock, target: Stock, row: Row) -> Row:
        labels = target.domain.labels(cell.normal)
        split = PROTOCOLS[self._plan.protocol](
            labels,
            anomaly_share=cell.anomaly_share,
            pool_size=cell.pool_size,
            n_shots=self._plan.n_shots,
            random_state=cell.run,
        )
        test, n_copies = _without_copies(split, target.images)
        normals = np.flatnonzero(source.domain.labels(cell.normal) == 0)
        row |= {"n_source": len(normals), "n_test": len(test), "n_test_copies": n_copies}
        variant = cell.variant
        data = self._data(cell, split, source, target)
        row["n_target"] = 0 if data.target_pool is None else len(data.target_pool)
        row["n_shots"] = 0 if data.target_shots is None else len(data.target_shots)
        config = variant.config.for_class(cell.normal)
        method = variant.method(self._encoders.main, config)
        images, anomalous = target.images.subset(test), labels[test] == 1
        areas: list[float] = []

        def watch(score: Callable[[EncodedImages], Array]) -> None:
            scores = score(images)
            areas.append(auroc(scores[~anomalous], scores[anomalous]))

        looks = watch if self._plan.log_best_epoch else None
        fit = method.fit(data, random_state=cell.run, watch=looks)
        scores = fit.model.score(images)
        low, high = scores[~anomalous], scores[anomalous]
        return {
            "auroc": auroc(low, high),
            "ap": average_precision(low, high),
            "fpr95": fpr_at_tpr(low, high),
            "diagnostics": diagnostics(fit, split) | best_epoch(areas),
        }

    def _data(self, cell: Cell, split: Split, source: Stock, target: Stock) -> FitData:
        """Exactly what the method declares under its configuration."""
        method, config = cell.variant.method, cell.variant.config
        wanted = config.wanted(method.needs)
        pool = shots = labels = psi = anomalies = reference = None
        known = source.domain.labels(cell.normal)
        normals = source.images.subset(known == 0)
        if "target_pool" in wanted:
            pool = target.images.subset(split.pool)
            selected = self._selection(cell)
            psi = None if selected is None else selected.images.subset(split.pool)
        if "target_shots" in wanted and len(split.shots):
            seen = self._stock(cell, "target", config.shot_outputs())
            shots = seen.images.subset(split.shots)
        if method.uses_labels():
            labels = _labels_of(split)
        if "source_anomalies" in wanted and (known == 1).any():
            rows = np.random.default_rng(cell.run).permutation(np.flatnonzero(known == 1))
            anomalies = source.images.subset(rows[: len(normals)])
        if "source_reference" in wanted:
            reference = first_by_name(normals)
        return FitData(
            source=normals,
            target_pool=pool,
            target_shots=shots,
            source_anomalies=anomalies,
            target_labels=labels,
            source_reference=reference,
            target_selection=psi,
        )


def _labels_of(split: Split) -> NDArray[np.int64]:
    """The pool's labels, for the methods that declare them.

    Raises:
        ConfigError: nobody knows them, or they are those of the test.
    """
    if np.array_equal(split.pool, split.test):
        raise ConfigError("the pool is the test here: a method with labels would see the answers")
    if (split.pool_labels < 0).any():
        raise ConfigError("the pool's labels are unknown here: this method needs them")
    return split.pool_labels


def _without_copies(split: Split, images: EncodedImages) -> tuple[NDArray[np.intp], int]:
    """Test rows whose content is neither in the pool nor among the shots, and how many were."""
    if np.array_equal(split.pool, split.test):
        return split.test, 0
    seen = {images.digests[row] for row in (*split.pool, *split.shots)}
    kept = np.array([images.digests[row] not in seen for row in split.test], dtype=bool)
    return split.test[kept], int((~kept).sum())
