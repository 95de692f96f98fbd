"""What one cell of each method costs: seconds of fit and test, CPU seconds, peak memory.

Usage: python benchmarks/method_cost.py [--dataset pacs] [--root DIR] [--direction photo:sketch]
           [--class dog] [--preset cpu] [--methods all] [--once] [--out FILE.json]

Each method runs in a process of its own, twice; the second counts, so that what the cache keeps of
the encoder's outputs is there (`--once` where it is there already). `seconds` are the cell's own
(fit and test); `cpu_seconds` and `peak_mib` (resident) are the whole process's, which also loads
the libraries and the encoder and reads the cached outputs: compare with `frozen_source`, which does
hardly anything else.
Prints a Markdown table. Needs a system with `os.wait4`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes import cpu_seconds, peak_mib, waited

from twofold.benchmark.results import RESULTS_FILE
from twofold.method_table import METHODS


def measured(method: str, options: argparse.Namespace) -> dict[str, Any]:
    """One cell in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "twofold", "bench", options.dataset]
        command += ["--methods", method, "--preset", options.preset, "--runs", "1"]
        command += ["--directions", options.direction, "--classes", options.normal]
        command += ["--out", folder]
        if options.root:
            command += ["--root", options.root]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        usage = waited(process)
        process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{method}: {said.strip().splitlines()[-1]}")
        [line] = (Path(folder) / RESULTS_FILE).read_text(encoding="utf-8").splitlines()
    row = json.loads(line)
    if row["status"] != "ok":
        raise SystemExit(f"{method}: {row['error']}")
    return {
        "method": method,
        "seconds": row["seconds"],
        "cpu_seconds": round(cpu_seconds(usage), 1),
        "peak_mib": round(peak_mib(usage)),
        "n_source": row["n_source"],
        "n_test": row["n_test"],
    }


def main() -> None:
    """Measure the methods one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="pacs")
    parser.add_argument("--root", help="else the variable TWOFOLD_<DATASET>")
    parser.add_argument("--direction", default="photo:sketch")
    parser.add_argument("--class", dest="normal", default="dog")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--methods", default="all", help="comma-separated")
    parser.add_argument("--once", action="store_true", help="the cache is warm already")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    options = parser.parse_args()
    names = METHODS.ids() if options.methods == "all" else options.methods.split(",")
    rows = []
    print("| method | seconds per cell | CPU seconds | peak MiB |\n| --- | --- | --- | --- |")
    for name in names:
        if not options.once:
            measured(name, options)
        row = measured(name, options)
        rows.append(row)
        print(
            f"| `{name}` | {row['seconds']:.1f} | {row['cpu_seconds']:.0f} | {row['peak_mib']} |",
            flush=True,
        )
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
