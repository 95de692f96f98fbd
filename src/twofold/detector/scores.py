"""What scoring gives."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from twofold.errors import MissingExtraError
from twofold.images import Problem
from twofold.parquet import require_pyarrow
from twofold.thresholds import (
    Calibration,
    benjamini_hochberg,
    benjamini_yekutieli,
    p_values,
    percentiles,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["ROW_FIELDS", "Scores", "warn_of"]

Array = NDArray[np.float64]
ROW_FIELDS: Final = ("image", "score", "percentile", "p_value", "anomalous", "problem")
"""What is told of an image, in the order of columns."""


@dataclass(frozen=True)
class Scores:
    """What scoring a set of images gave; one row per image, in the order given.

    Attributes:
        names: of all images.
        scores: float64 (n,), larger = more anomalous; NaN where the image is unusable.
        percentiles: share of the calibration images that score no higher, in percent; NaN
            where the image is unusable.
        anomalous: int64 (n,), 1 = anomalous, 0 = normal, -1 = unusable.
        problems: the unusable images and why.
        p_values: float64 (n,), conformal: share of the calibration images that score no lower, the
            image itself counted in; NaN where the image is unusable.
        notes: what a user should know of the files, one line each.
    """

    names: tuple[str, ...]
    scores: Array
    percentiles: Array
    anomalous: NDArray[np.int64]
    problems: tuple[Problem, ...]
    p_values: Array
    notes: tuple[str, ...] = ()

    @classmethod
    def judged(
        cls,
        names: tuple[str, ...],
        scores: Array,
        problems: tuple[Problem, ...],
        *,
        threshold: float,
        calibration: Calibration,
        false_discovery_rate: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> Scores:
        """Decide on each image, or on all of them together.

        Args:
            names: of the images.
            scores: float64 (n,), NaN where there is none.
            problems: why there is none.
            threshold: anomalous is what scores above it.
            calibration: out-of-sample scores of the fit.
            false_discovery_rate: instead of the threshold, Benjamini & Hochberg's procedure on the
                p-values of all these images; Benjamini & Yekutieli's where the calibration images
                come in groups, whose p-values may depend on each other in other ways.
            notes: on the files.
        """
        usable = ~np.isnan(scores)
        shares = np.full(len(scores), np.nan)
        shares[usable] = percentiles(scores[usable], calibration)
        chances = p_values(scores, calibration)
        above = scores > threshold
        if false_discovery_rate is not None:
            grouped = calibration.n_groups < len(calibration.scores)
            report = benjamini_yekutieli if grouped else benjamini_hochberg
            above = report(chances, false_discovery_rate)
        anomalous = np.where(usable, above.astype(np.int64), -1)
        return cls(names, scores, shares, anomalous, problems, chances, notes)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """bool (n,): which images have a score."""
        return self.anomalous >= 0

    def rows(self) -> list[dict[str, Any]]:
        """What JSON and tables hold: a row each image, in the order given.

        Keys: ``image``; ``score``, ``percentile``, ``p_value`` and ``anomalous`` (1 or 0), None
        where the image is unusable; ``problem``, the reason, else None.
        """
        reasons = {problem.path: problem.reason for problem in self.problems}
        numbers = zip(self.scores, self.percentiles, self.p_values, self.anomalous, strict=True)
        rows: list[dict[str, Any]] = []
        for name, (score, percentile, p_value, anomalous) in zip(self.names, numbers, strict=True):
            row: dict[str, Any] = {"image": name} | dict.fromkeys(ROW_FIELDS[1:])
            if anomalous < 0:
                row["problem"] = reasons[name]
            else:
                row["score"], row["percentile"] = float(score), float(percentile)
                row["p_value"], row["anomalous"] = float(p_value), int(anomalous)
            rows.append(row)
        return rows

    def to_pandas(self) -> pd.DataFrame:
        """A row each image, in the order given; the columns of ``twofold score`` and p-values.

        Columns: ``image``; ``score``, ``percentile`` and ``p_value``, NaN where the image is
        unusable; ``anomalous``, 1, 0 or missing (``Int64``); ``problem``, the reason, or
        missing.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - an optional dependency
        except ImportError:
            raise MissingExtraError(
                "no data frame without pandas: pip install 'twofold[notebook]'"
            ) from None
        unusable = ~self.usable
        return pd.DataFrame(
            {
                "image": self.names,
                "score": self.scores,
                "percentile": self.percentiles,
                "p_value": self.p_values,
                "anomalous": pd.array(self.anomalous, dtype="Int64"),
                "problem": [row["problem"] for row in self.rows()],
            }
        ).assign(anomalous=lambda frame: frame["anomalous"].mask(unusable))

    def to_arrow(self) -> pa.Table:
        """A row each image, in the order given, as a table of Arrow.

        Columns: ``image`` (string); ``score``, ``percentile`` and ``p_value`` (double) and
        ``anomalous`` (int8, 1 or 0), null where the image is unusable; ``problem`` (string), the
        reason, else null.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pa = require_pyarrow("no Arrow and no Parquet")
        kinds = (pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.int8(), pa.string())
        schema = pa.schema(list(zip(ROW_FIELDS, kinds, strict=True)))
        return pa.Table.from_pylist(self.rows(), schema=schema)

    def to_polars(self) -> pl.DataFrame:
        """A row each image, in the order given, as a data frame of polars.

        Columns as of :meth:`to_arrow`: ``String``, ``Float64`` and ``Int8``.

        Raises:
            MissingExtraError: polars is not installed.
        """
        try:
            import polars as pl  # noqa: PLC0415 - an optional dependency
        except ImportError:
            raise MissingExtraError(
                "no data frame of polars without polars: pip install 'twofold[polars]'"
            ) from None
        kinds = (pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int8, pl.String)
        return pl.DataFrame(self.rows(), schema=dict(zip(ROW_FIELDS, kinds, strict=True)))


def warn_of(result: Scores, *, stacklevel: int = 3) -> None:
    """Warn of what a caller who gets less than the scores would not see.

    Args:
        result: of the images.
        stacklevel: of the caller, as :func:`warnings.warn` counts.
    """
    for note in result.notes:
        warnings.warn(note, UserWarning, stacklevel=stacklevel)
    if result.problems:
        first = result.problems[0]
        warnings.warn(
            f"{len(result.problems)} unusable image(s) have no score; the first, "
            f"{first.path}: {first.reason}",
            UserWarning,
            stacklevel=stacklevel,
        )
