"""Where the results go, by the name that was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twofold.errors import UsageError
from twofold.files import refuse_folder

__all__ = ["Out", "find_out"]

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Out:
    """A table that grows.

    Attributes:
        kind: of file; ``parquet`` is a folder of them.
        path: of the table.
    """

    kind: Literal["csv", "parquet", "sqlite"]
    path: Path

    @property
    def journal(self) -> Path:
        """The journal: the database itself, or a file beside the table."""
        return (
            self.path if self.kind == "sqlite" else self.path.with_name(f"{self.path.name}.journal")
        )

    def require_free(self) -> None:
        """Refuse to mix with what is there without a journal.

        Raises:
            UsageError: there is something.
        """
        if self.kind == "sqlite":
            return  # the database itself tells whose it is
        filled = self.path.is_dir() and any(self.path.iterdir())
        if filled or (self.path.is_file() and self.path.stat().st_size):
            raise UsageError(
                f"--out {self.path}: is there already, without its journal "
                f"{self.journal.name}; name a new one"
            )


def find_out(text: str) -> Out:
    """What ``--out`` stands for: a .csv file, a .parquet folder or sqlite:///FILE.

    Raises:
        UsageError: none of these, or something of another kind is in its place.
    """
    if text.startswith("sqlite:"):
        name = text.removeprefix(_SQLITE)
        if not text.startswith(_SQLITE) or not name:
            raise UsageError(f"--out {text}: write it as sqlite:///FILE, or sqlite:////FILE from /")
        refuse_folder(Path(name), "--out")
        return Out("sqlite", Path(name))
    path = Path(text)
    if path.suffix.lower() == ".csv":
        refuse_folder(path, "--out")
        if path.exists() and not path.is_file():
            raise UsageError(f"--out {path}: is no regular file")
        return Out("csv", path)
    if path.suffix.lower() == ".parquet":
        if path.exists() and not path.is_dir():
            raise UsageError(f"--out {path}: is a file; it becomes a folder of Parquet files")
        return Out("parquet", path)
    raise UsageError(f"--out {text}: give a .csv file, a .parquet folder or sqlite:///FILE")
