"""How the training of each system goes: its loss, and for display only its AUROC on the target.

Usage: python benchmarks/training_curves.py [--root FOLDER] [--cells SOURCE:TARGET:CLASS ...]
           [--systems A,B] [--steps 200] [--out FILE] [--picture FILE]
       python benchmarks/training_curves.py --out FILE --picture FILE --draw

The preset `cpu` on PACS, with `--steps` in place of its own number where a system counts them. The
AUROC is of at most 300 test images, after each epoch where the system can score by then, and at
the end of all. It chooses nothing: every system keeps its last step. SOURCE:SOURCE:CLASS is the
control without shift, drawn dashed. Cells that FILE has are not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from auto_tables import read_lines, write_lines
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank, Stock, no_shift_rows
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.presets import load_preset
from twofold.benchmark.protocol import Split, uda_inductive
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.methods.rows import first_by_name
from twofold.metrics import auroc

SYSTEMS = (
    "paper",
    "paper_mmd",
    "paper_grl",
    "paper_few_shot",
    "align_all",
    "source_only",
    "oracle",
    "msra",
    "tsa",
    "irad",
    "ildr",
    "biost",
    "gnl",
)
CELLS = ("photo:cartoon:elephant", "photo:photo:elephant")
_MOST_TESTED = 300
_SHOTS = 10
_COUNTS = ("steps", "iterations", "least_steps", "student_max_steps")
Score = Callable[[EncodedImages], NDArray[np.float64]]


def options_of(method: Any, steps: int) -> dict[str, Any]:
    """Those of the preset that the method has, with another number of steps."""
    preset = load_preset("cpu")
    given = {name: preset.options[name] for name in preset.options if name not in _COUNTS}
    given["training"] = {**preset.options["training"], "max_steps": steps}
    given |= dict.fromkeys(_COUNTS, steps)
    known = method.Config.model_fields
    return {name: value for name, value in given.items() if name in known}


def halves(bank: Bank, encoder: Encoder, cell: str, outputs: Sequence[str]) -> tuple[Stock, Stock]:
    """Source and target of a cell."""
    near, far, normal = cell.split(":")
    source, target = (bank.stock(name, encoder, outputs) for name in (near, far))
    if near != far:
        return source, target
    rows = no_shift_rows(source.domain.labels(normal), 0)
    return source.subset(rows[0]), target.subset(rows[1])


def data_of(wanted: Any, source: Stock, target: Stock, split: Split, normal: str) -> FitData:
    """What the method declares, and nothing else."""
    normals = source.images.subset(source.domain.labels(normal) == 0)
    parts: dict[str, Any] = {
        "target_pool": target.images.subset(split.pool),
        "target_shots": target.images.subset(split.shots),
        "target_labels": split.pool_labels,
        "source_reference": first_by_name(normals),
    }
    return FitData(normals, **{name: part for name, part in parts.items() if name in wanted})


def row_of(bank: Bank, encoder: Encoder, cell: str, name: str, steps: int) -> dict[str, Any]:
    """One training, looked at on the way."""
    method = METHODS.load(name)
    config = parse_config(method, options_of(method, steps))
    outputs = dict.fromkeys((*config.outputs(), *config.shot_outputs(), "pooled"))
    source, target = halves(bank, encoder, cell, tuple(outputs))
    labels = target.domain.labels(cell.split(":")[2])
    split = uda_inductive(labels, n_shots=_SHOTS, random_state=0)
    drawn = np.sort(np.random.default_rng(0).permutation(split.test)[:_MOST_TESTED])
    images, odd = target.images.subset(drawn), labels[drawn] == 1
    areas: list[float] = []

    def watch(score: Score) -> None:
        scores = score(images)
        areas.append(round(auroc(scores[~odd], scores[odd]), 4))

    data = data_of(config.wanted(method.needs), source, target, split, cell.split(":")[2])
    fit = method(encoder, config).fit(data, random_state=0, watch=watch)
    scores = fit.model.score(images)
    losses = {k: [round(x, 4) for x in v] for k, v in fit.diagnostics.losses.items()}
    final = round(auroc(scores[~odd], scores[odd]), 4)
    found = {"cell": cell, "system": name, "losses": losses, "auroc": areas, "final": final}
    return found | {"steps": steps, "recipe": getattr(config, "recipe", None)}


def rows(
    done: list[dict[str, Any]], root: Path | None, cells: Sequence[str], systems: Any, steps: int
) -> Iterator[dict[str, Any]]:
    """Every cell and system that is not done."""
    encoder = load_encoder().at_size(load_preset("cpu").image_size or 224)
    bank = Bank(DATASETS.load("pacs")(root), lambda *_: None)
    there = {(row["cell"], row["system"]) for row in done}
    for name in systems:
        for cell in cells:
            if (cell, name) not in there:
                yield row_of(bank, encoder, cell, name, steps)


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """A panel a system: loss in blue on the left, AUROC in red on the right."""
    names = [name for name in SYSTEMS if any(row["system"] == name for row in found)]
    across = 4
    down = -(-len(names) // across)
    figure, panels = plt.subplots(down, across, figsize=(4 * across, 2.9 * down), squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.axis("off")
    for panel, name in zip(panels.flat, names, strict=False):
        draw_panel(panel, name, [row for row in found if row["system"] == name])
    kinds: tuple[tuple[str, Literal["-", "--"], str], ...] = (
        ("tab:blue", "-", "loss, under shift"),
        ("tab:blue", "--", "loss, control without shift"),
        ("tab:red", "-", "AUROC, under shift"),
        ("tab:red", "--", "AUROC, control without shift"),
    )
    handles = [
        Line2D([], [], color=color, linestyle=style, label=label) for color, style, label in kinds
    ]
    for face, label in (
        ("tab:red", "AUROC at the end, under shift"),
        ("none", "the same, control"),
    ):
        dot = Line2D([], [], color="tab:red", marker="o", linestyle="none", label=label)
        dot.set_markerfacecolor(face)
        handles.append(dot)
    figure.legend(handles=handles, loc="upper center", ncols=3)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.6 / (2.9 * down)))
    figure.savefig(path, dpi=80)


def draw_panel(panel: Any, name: str, own: list[dict[str, Any]]) -> None:
    """Both cells of a system; phases of training one after the other, on a common axis."""
    right = panel.twinx()
    for row in own:
        near, far, _ = row["cell"].split(":")
        style = "--" if near == far else "-"
        start, total = 0, sum(len(values) for values in row["losses"].values())
        for values in row["losses"].values():
            share = (start + 1 + np.arange(len(values))) / total
            panel.plot(share, values, style, color="tab:blue", linewidth=1.2)
            start += len(values)
        areas = row["auroc"]
        if areas:
            share = (1 + np.arange(len(areas))) / len(areas)
            right.plot(share, 100 * np.array(areas), style, color="tab:red", linewidth=1.2)
        face = "none" if near == far else "tab:red"
        right.plot(1, 100 * row["final"], "o", color="tab:red", markerfacecolor=face)
    right.axhline(50, color="grey", linewidth=0.6, linestyle=":")
    right.set(ylim=(0, 103), ylabel="AUROC %")
    recipe = own[0]["recipe"]
    title = name if recipe is None else f"{name} ({recipe})"
    panel.set(title=title, xlabel="share of the training", ylabel="loss", xlim=(0, 1.03))


def main() -> None:
    """Run what is missing, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder of PACS")
    parser.add_argument("--cells", nargs="+", default=list(CELLS))
    parser.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--picture", type=Path, help="PNG file")
    parser.add_argument("--draw", action="store_true", help="draw the rows that are there")
    given = parser.parse_args()
    found = read_lines(given.out) if given.out.exists() else []
    if not given.draw:
        for row in rows(found, given.root, given.cells, given.systems, given.steps):
            found.append(row)
            write_lines(given.out, found)
            print(row["system"], row["cell"], row["final"], flush=True)
    if given.picture is not None:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
