"""What is to be done, and what of it is done: the manifest of a folder of results.

``_manifest.json`` says what the folder holds: of which images, by which model or encoder, in how
many shards. ``_parts.jsonl`` has a line for each part that is done. Names that begin with an
underscore are left out by what reads the folder as one table (pyarrow, DuckDB, Spark).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from twofold import __version__
from twofold.canonical import canonical_json
from twofold.cluster.sources import Shard, Source, listing_sha256, shards_of
from twofold.deferred import deferred
from twofold.errors import TwofoldError, UsageError
from twofold.files import write_whole

if TYPE_CHECKING:
    import filelock
else:
    filelock = deferred("filelock")

__all__ = [
    "LOG",
    "MANIFEST",
    "Part",
    "Plan",
    "Summary",
    "done_parts",
    "finish",
    "open_folder",
    "open_log",
]

MANIFEST: Final = "_manifest.json"
LOG: Final = "_parts.jsonl"
SCHEMA: Final = 1
_LOCK: Final = ".lock"


@dataclass(frozen=True)
class Part:
    """What is recorded of a shard that is done.

    Attributes:
        shard: its number.
        rows: of the table: one an image.
        unusable: rows with a problem.
        anomalous: rows above the threshold; 0 of vectors.
        size: of the file in bytes.
        sha256: of the file.
        seconds: that the shard took its worker.
    """

    shard: int
    rows: int
    unusable: int
    anomalous: int
    size: int
    sha256: str
    seconds: float

    def line(self) -> bytes:
        """As it stands in the log."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Summary:
    """What a run left in the folder.

    Attributes:
        out: the folder.
        n_images: rows in all.
        n_shards: files.
        n_resumed: shards that an earlier run had done.
        n_unusable: rows with a problem.
        n_anomalous: rows above the threshold; 0 of vectors.
        notes: what a user should know of the images, each once.
        problems: the first few images that cannot be used, and why.
    """

    out: str
    n_images: int
    n_shards: int
    n_resumed: int
    n_unusable: int
    n_anomalous: int
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The shards of some images, and what is done with them.

    Attributes:
        kind: ``scores`` or ``vectors``.
        identity: of the model or encoder and of all that decides about the results.
        columns: name of each column -> its type.
        sources: the images.
        rows: images a shard.
    """

    kind: str
    identity: Mapping[str, Any]
    columns: Mapping[str, str]
    sources: Sequence[Source] = field(repr=False)
    rows: int

    @cached_property
    def n_images(self) -> int:
        """In all."""
        return sum(map(len, self.sources))

    @cached_property
    def n_shards(self) -> int:
        """In all."""
        return sum(-(-len(source) // self.rows) for source in self.sources)

    def shards(self) -> Iterator[Shard]:
        """Made one by one."""
        return shards_of(self.sources, self.rows)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What tells this plan from another, as plain content."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "work": dict(self.identity),
            "images": {"sha256": listing_sha256(self.sources), "n": self.n_images},
            "rows_a_shard": self.rows,
            "n_shards": self.n_shards,
            "columns": dict(self.columns),
        }


@contextmanager
def open_folder(out: Path, plan: Plan) -> Iterator[dict[int, Part]]:
    """Take a folder for the results of a plan, and tell what of it is done.

    A new or empty folder gets the manifest; one with the manifest of the same plan goes on.

    Raises:
        UsageError: it holds something else, or results of other images or of another model, or
            another process writes there.
        OSError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    known = _check_content(out, plan)
    lock = filelock.FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(f"--out {out}: another process is writing there") from None
    try:
        if not known:
            write_whole(out / MANIFEST, _text({**plan.manifest, "twofold": __version__}))
        yield done_parts(out, plan)
    finally:
        lock.release()
        (out / _LOCK).unlink(missing_ok=True)


def _check_content(out: Path, plan: Plan) -> bool:
    """Whether the folder is one of this plan already."""
    file = out / MANIFEST
    if not file.exists():
        others = sorted(p.name for p in out.iterdir() if not p.name.startswith("."))
        if others:
            raise UsageError(f"--out {out}: holds other things ({others[0]}): name a new folder")
        return False
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(there, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise UsageError(f"{file}: is damaged ({error}); name a new folder") from None
    if there.get("schema") != SCHEMA:
        raise UsageError(f"{file}: of schema {there.get('schema')!r}, not {SCHEMA}")
    for key, wanted in plan.manifest.items():
        if canonical_json(there.get(key)) != canonical_json(wanted):
            raise UsageError(f"--out {out}: {_difference(key, there.get(key), wanted)}")
    return True


def _difference(key: str, there: Any, wanted: Any) -> str:
    """Why a folder cannot be gone on with."""
    if key == "images":
        n = there.get("n") if isinstance(there, dict) else "?"
        return (
            f"was begun with another list of images ({n}, now {wanted['n']}): give the same "
            "images to go on, or a new folder"
        )
    if key == "work":
        old = there if isinstance(there, dict) else {}
        names = sorted(name for name in old | wanted if old.get(name) != wanted.get(name))
        return (
            f"was begun with another {', '.join(names) or 'model'}: use the same to go on, or name "
            "a new folder"
        )
    return f"was begun with another {key} ({there!r:.60}): name a new folder"


def done_parts(out: Path, plan: Plan) -> dict[int, Part]:
    """The shards whose parts are there as they were recorded, by number.

    The last line of the log may be cut short, where the process was killed; a part that was renamed
    and not recorded any more is made again, to the same content.
    """
    try:
        lines = (out / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    found: dict[int, Part] = {}
    for line in lines:
        try:
            part = Part(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if 0 <= part.shard < plan.n_shards:
            found[part.shard] = part
    return {number: part for number, part in found.items() if _is_there(out, part)}


def open_log(out: Path) -> BinaryIO:
    """The record of parts, to be gone on with on a line of its own."""
    log = (out / LOG).open("a+b")
    if log.tell():
        log.seek(-1, os.SEEK_END)
        if log.read(1) != b"\n":
            log.write(b"\n")
    return log


def _is_there(out: Path, part: Part) -> bool:
    try:
        return (out / Shard.file_name(part.shard)).stat().st_size == part.size
    except OSError:
        return False


def finish(out: Path, plan: Plan, parts: Mapping[int, Part]) -> None:
    """Say in the manifest that all is there, and how much.

    Raises:
        TwofoldError: something is missing, or its rows are not as many as images.
    """
    missing = [number for number in range(plan.n_shards) if number not in parts]
    rows = sum(part.rows for part in parts.values())
    if missing or rows != plan.n_images:
        raise TwofoldError(
            f"{out}: {len(missing)} of {plan.n_shards} shards are missing; run the same command "
            "again"
        )
    done = {
        "complete": True,
        "n_unusable": sum(part.unusable for part in parts.values()),
        "n_anomalous": sum(part.anomalous for part in parts.values()),
        "bytes": sum(part.size for part in parts.values()),
    }
    write_whole(out / MANIFEST, _text({**plan.manifest, "twofold": __version__, **done}))


def _text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
