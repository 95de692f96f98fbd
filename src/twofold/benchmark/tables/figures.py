"""The figures, as PNG and SVG bytes that depend on the results alone."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twofold.benchmark.tables.curves import (
    ChosenComponents,
    Line,
    SelectionPoint,
    Swept,
    chosen_components,
    component_curves,
    selection_points,
    sweeps,
)
from twofold.benchmark.tables.names import wanted
from twofold.benchmark.tables.published import published
from twofold.benchmark.tables.results import Results
from twofold.benchmark.tables.study_tables import DIAGNOSTICS, diagnostic, slug
from twofold.errors import MissingExtraError
from twofold.selection import WITHOUT_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figures"]

_DPI = 150
_MARKERS = "osD^vP*X"
_DASHES = ("-", "--", ":", "-.")
# Without a salt of our own, ids in an SVG are random; as text, its words can be searched.
_STYLE: Any = {"svg.hashsalt": "twofold", "svg.fonttype": "none", "font.size": 9}
# Of legends, in points.
_SMALL = 7


def draw_figures(results: Results, *, with_published: bool) -> dict[str, bytes]:
    """{file name: content}: a PNG and an SVG for each figure there is something to show in.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError(
            "no pictures without matplotlib: pip install 'twofold[tables]'"
        ) from None
    files = {}
    with mpl.rc_context(_STYLE):
        for name, figure in _figures(results, with_published).items():
            files[f"{name}.png"] = _bytes(figure, "png", {"Software": None})
            files[f"{name}.svg"] = _bytes(figure, "svg", {"Date": None})
    return files


def _figures(results: Results, with_published: bool) -> dict[str, Figure]:
    made: dict[str, Figure | None] = {
        "figure4": _figure4(component_curves(results), chosen_components(results), with_published),
        "table5": _table5(results, with_published),
    }
    for dataset in results.datasets:
        name = slug(dataset)
        for swept in ("anomaly_share", "pool_size"):
            made[f"{swept}_{name}"] = _sweep(sweeps(results, dataset, swept), swept)
        made[f"selection_{name}"] = _selection(selection_points(results, dataset))
    return {name: figure for name, figure in made.items() if figure is not None}


def _bytes(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=_DPI, metadata=metadata)
    return content.getvalue()


def _panels(n_rows: int, n_columns: int, width: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure without the global state of pyplot, and its panels."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional dependency

    figure = Figure(figsize=(width * n_columns, 3.4 * n_rows), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False).tolist()


def _with_legend(figure: Figure) -> Figure:
    """One legend for all panels, below them: it hides no point."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    names = list(handles)
    columns = _columns(figure, names) if len(figure.axes) > 1 or len(names) > 6 else 1
    # Its rows come on top of the panels' own height.
    lines = math.ceil(len(names) / columns)
    figure.set_figheight(figure.get_figheight() + 1.7 * _SMALL / 72 * lines)
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "fontsize": _SMALL}
    figure.legend([handles[name] for name in names], names, **where)
    return figure


def _columns(figure: Figure, names: Sequence[str]) -> int:
    """As many as fit beside each other, at most four; a legend that is too wide is cut off."""
    # Points: a character is about 0.6 of the font's size wide, a handle and its gaps six of them.
    widest = 0.6 * _SMALL * (6 + max((len(name) for name in names), default=0))
    return min(4, max(1, int(72 * figure.get_figwidth() / widest)))


def _percent(values: Sequence[float | None]) -> list[float]:
    return [100 * (value or 0.0) for value in values]


def _figure4(
    lines: Sequence[Line], chosen: Sequence[ChosenComponents], with_published: bool
) -> Figure | None:
    if not lines and not chosen and not with_published:
        return None
    figure, ((axes,),) = _panels(1, 1, 6.5)
    names = [f"{line.dataset} {line.direction}" for line in lines]
    theirs = [f"{entry.dataset} {entry.direction}" for entry in chosen]
    places = list(dict.fromkeys(names + theirs))
    for name, line in zip(names, lines, strict=True):
        place = places.index(name)
        axes.errorbar(
            [point.x for point in line.points],
            _percent([point.y for point in line.points]),
            yerr=_percent([point.spread for point in line.points]),
            marker=_MARKERS[place % len(_MARKERS)],
            color=f"C{place % 10}",
            capsize=3,
            label=name,
        )
    for name, entry in zip(theirs, chosen, strict=True):
        _mark_chosen(axes, entry, f"{name}, {entry}", f"C{places.index(name) % 10}")
    if with_published:
        _shade_published(axes)
    axes.set(xlabel="K-means components K", ylabel="AUROC %")
    title = "Effect of the number of components (bars: ± over runs)"
    axes.set_title(f"{title}\ndashed: K chosen for each cell" if chosen else title, fontsize=9)
    return _with_legend(figure)


def _mark_chosen(axes: Axes, entry: ChosenComponents, label: str, color: str) -> None:
    """A line across, since K differs between cells, with a star at its mean."""
    height = 100 * entry.y
    axes.axhline(height, color=color, linestyle="--", linewidth=1, label=label)
    if entry.mean is not None:
        axes.plot([entry.mean], [height], marker="*", markersize=11, color=color)


def _shade_published(axes: Axes) -> None:
    """The best range as the paper's text gives it."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - an optional dependency

    printed = published().figure4
    (first, last), (low, high) = printed.best_components, _percent(printed.best_auroc)
    label = (
        f"published, {printed.direction}: best at K {first}-{last}, AUROC {low:g}-{high:g} "
        "(text; the plotted points are not readable)"
    )
    patch = Rectangle((first, low), last - first, high - low, color="0.7", label=label)
    axes.add_patch(patch)
    axes.autoscale_view()
    axes.margins(0.1)


def _table5(results: Results, with_published: bool) -> Figure | None:
    """Bars for each method and direction of PACS; what the paper prints as lines across."""
    directions = [entry.direction for entry in published().tables["table5"]]
    systems = {system.method: system for system in results.chosen("pacs")}
    printed = _printed_bars() if with_published else {}
    methods = list(dict.fromkeys([*systems, *printed]))
    if not methods:
        return None
    figure, ((axes,),) = _panels(1, 1, 9)
    width = 0.8 / len(methods)
    for place, method in enumerate(methods):
        system = systems.get(method)
        found = [results.get(system, direction) for direction in directions]
        at = [group + (place - (len(methods) - 1) / 2) * width for group in range(len(directions))]
        axes.bar(
            at,
            _percent([summary.average if summary else None for summary in found]),
            width * 0.9,
            yerr=_percent([summary.run_spread if summary else None for summary in found]),
            capsize=2,
            label=system.name if system else f"{method} (published)",
            color=f"C{place % 10}",
            hatch="//" if place > 9 else None,
        )
        if method in printed:
            axes.scatter(at, _percent(printed[method]), marker="_", s=200, color="black", zorder=3)
    _dress_bars(axes, directions, with_published)
    return _with_legend(figure)


def _printed_bars() -> dict[str, list[float]]:
    """{our method id: the printed average of each direction} of Table 5."""
    directions = published().tables["table5"]
    return {
        wanted(method).method: [direction.average[method] for direction in directions]
        for method in published().methods("table5")
    }


def _dress_bars(axes: Axes, directions: Sequence[str], with_published: bool) -> None:
    if with_published:
        axes.scatter([], [], marker="_", s=200, color="black", label="published")
    axes.set_xticks(range(len(directions)), directions)
    axes.axhline(50, color="0.6", linewidth=0.8)
    axes.set(ylabel="AUROC %", ylim=(0, 100))
    axes.set_title("PACS, average over classes (bars: ± over runs; 50: guessing)", fontsize=9)


def _sweep(lines: Sequence[Line], swept: Swept) -> Figure | None:
    """A panel each direction, a line each method, a band of the spread over runs."""
    if not lines:
        return None
    directions = list(dict.fromkeys(line.direction for line in lines))
    names = list(dict.fromkeys(line.name for line in lines))
    figure, (row,) = _panels(1, len(directions), 4.5)
    scale = 100 if swept == "anomaly_share" else 1
    for line in lines:
        axes, place = row[directions.index(line.direction)], names.index(line.name)
        x = [scale * point.x for point in line.points]
        y, spread = (_percent([getattr(p, f) for p in line.points]) for f in ("y", "spread"))
        style = {"color": f"C{place % 10}", "linestyle": _DASHES[place // 10 % len(_DASHES)]}
        axes.plot(x, y, marker=_MARKERS[place % len(_MARKERS)], label=line.name, **style)  # type: ignore[arg-type]
        low, high = ([a + sign * b for a, b in zip(y, spread, strict=True)] for sign in (-1, 1))
        axes.fill_between(x, low, high, color=f"C{place % 10}", alpha=0.15, linewidth=0)
    words = {"anomaly_share": "anomalies in the pool, %", "pool_size": "images in the pool"}
    for axes, direction in zip(row, directions, strict=True):
        axes.set(xlabel=words[swept], ylabel="AUROC %")
        axes.set_title(f"{lines[0].dataset} {direction} (band: ± over runs)", fontsize=9)
    return _with_legend(figure)


def _selection(points: Sequence[SelectionPoint]) -> Figure | None:
    """Small multiples: directions down, AUROC and diagnostics across, over K."""
    if not points:
        return None
    metrics: dict[str, Callable[[SelectionPoint], float | None]] = {
        "AUROC": lambda point: point.summary.average
    }
    for name in ("dominant_precision", "dominant_recall", "negatives_normal"):
        metrics[DIAGNOSTICS[name]] = lambda p, name=name: diagnostic(p.summary.rows, name)  # type: ignore[misc]
    directions = list(dict.fromkeys(point.direction for point in points))
    figure, grid = _panels(len(directions), len(metrics), 3.4)
    for row, direction in zip(grid, directions, strict=True):
        here = [point for point in points if point.direction == direction]
        for axes, (title, metric) in zip(row, metrics.items(), strict=True):
            _selection_panel(axes, points, here, metric)
            axes.set(xlabel="K", ylabel=f"{title}, %")
            axes.set_title(f"{points[0].dataset} {direction}", fontsize=9)
    return _with_legend(figure)


def _selection_panel(
    axes: Axes,
    points: Sequence[SelectionPoint],
    here: Sequence[SelectionPoint],
    metric: Callable[[SelectionPoint], float | None],
) -> None:
    """Colour: psi; marker and dashes: selector."""
    psis = sorted({point.psi for point in points})
    selectors = sorted({point.selector for point in points})
    for i, psi in enumerate(psis):
        for j, selector in enumerate(selectors):
            line = [(p, metric(p)) for p in here if (p.psi, p.selector) == (psi, selector)]
            found = [(p.n_clusters, 100 * value) for p, value in line if value is not None]
            if not found:
                continue
            style: dict[str, Any] = {"color": f"C{i % 10}", "linestyle": _DASHES[j % len(_DASHES)]}
            label = f"{selector}, psi {psi}"
            if selector in WITHOUT_K:
                axes.axhline(found[0][1], label=label, **style)
            else:
                marker = _MARKERS[j % len(_MARKERS)]
                axes.plot(*zip(*found, strict=True), marker=marker, label=label, **style)
