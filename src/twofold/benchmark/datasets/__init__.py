"""Dataset adapters: which domains and classes there are, and which files belong to them.

An adapter reads a folder the user has and downloads nothing.
"""

from twofold.benchmark.datasets.base import SHOT, UNLABELLED, Dataset, Domain
from twofold.benchmark.datasets.registry import DATASETS

__all__ = ["DATASETS", "SHOT", "UNLABELLED", "Dataset", "Domain"]
