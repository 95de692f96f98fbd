"""The paper's tables and Figure 4 from our benchmark results; nothing here imports torch."""

from twofold.benchmark.tables.write import write_tables

__all__ = ["write_tables"]
