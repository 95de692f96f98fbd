"""What a user gets who chooses nothing: the same for Python and the command line.

It imports nothing, so that ``twofold --help`` can show these at once.
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = [
    "DEFAULT_ANOMALY_SHARE",
    "DEFAULT_CALIBRATION",
    "DEFAULT_ENCODER",
    "DEFAULT_FALSE_ALARM_RATE",
    "DEFAULT_FALSE_WARNINGS",
    "DEFAULT_MARKS",
    "DEFAULT_METHOD",
    "DEFAULT_N_SHOTS",
    "DEFAULT_PRESET",
    "DEFAULT_RANDOM_STATE",
    "DEFAULT_ROWS_A_SHARD",
]

DEFAULT_METHOD: Final = "auto"
DEFAULT_ENCODER: Final = "efficientnet_lite0"
DEFAULT_FALSE_ALARM_RATE: Final = 0.05
DEFAULT_FALSE_WARNINGS: Final = 0.01
DEFAULT_CALIBRATION: Final[Literal["tail"]] = "tail"
DEFAULT_RANDOM_STATE: Final = 0
# Of a review: some five minutes at seven seconds a mark. The page says how many more narrow what.
DEFAULT_MARKS: Final = 40
# Of many machines: ten to twenty seconds of a core are what a worker that dies takes with it, and
# small beside what Ray needs to hand out a task. A billion images take 10,000, so that there are
# 100,000 files.
DEFAULT_ROWS_A_SHARD: Final = 1000

# Of the benchmark: the paper's pools hold a tenth of anomalies (its section V), and the few-shot
# systems of its tables are given ten images.
DEFAULT_ANOMALY_SHARE: Final = 0.1
DEFAULT_N_SHOTS: Final = 10
DEFAULT_PRESET: Final = "cpu"
