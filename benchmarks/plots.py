"""The plots of the documentation: roofline, ladder and scaling, from the JSON documents alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.algorithms import in_order
from benchmarks.convolution import DIRECTIONS, LAYOUTS

Document = dict[str, Any]
MARKERS = dict(zip(DIRECTIONS, "o^s", strict=True))
COLOURS = dict(zip(DIRECTIONS, ("tab:blue", "tab:orange", "tab:green"), strict=True))


def roofline(document: Document) -> Figure:
    """The ceilings of one thread, and where the article's convolutions lie under them (best algorithm of ours)."""
    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    peak = document["peak_gflops"]
    for level, speeds in document["bandwidth_gbs"].items():
        ridge = peak / speeds["read"]
        (line,) = axes.plot([0.1, ridge], [0.1 * speeds["read"], peak], linewidth=1)
        axes.annotate(level, (0.13, 0.13 * speeds["read"]), color=line.get_color(), va="bottom", fontsize=8)
    axes.plot([0.1, 1000], [peak, peak], "k", linewidth=1.5)
    axes.annotate(f"FMA peak {peak:.0f} GFLOP/s", (1000, peak * 1.05), ha="right", fontsize=8)
    ours = [row for row in document["layers"] if row["algorithm"] not in LAYOUTS]
    for direction in DIRECTIONS:
        best: dict[str, Document] = {}
        for row in (row for row in ours if row["direction"] == direction):
            if row["gflops"] > best.get(row["layer"], row)["gflops"] or row["layer"] not in best:
                best[row["layer"]] = row
        points = [(row["flop"] / row["bytes"], row["gflops"]) for row in best.values()]
        axes.plot(*zip(*points, strict=True), MARKERS[direction], color=COLOURS[direction], label=direction)
    axes.set(xscale="log", yscale="log", xlim=(0.1, 1000), xlabel="flop a byte of x, w and y", ylabel="GFLOP/s")
    axes.set_title("Convolutions of the article, direct flop; above the peak is Winograd's doing", fontsize=9)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def ladder(document: Document) -> Figure:
    """Speed of each rung, in each direction, on each layer."""
    layers = list(dict.fromkeys(row["layer"] for row in document["ladder"]))
    figure, panels = plt.subplots(1, len(layers), figsize=(6 * len(layers), 4), layout="constrained", squeeze=False)
    for axes, layer in zip(panels[0], layers, strict=True):
        rows = [row for row in document["ladder"] if row["layer"] == layer]
        rungs = in_order(row["rung"] for row in rows)
        for i, direction in enumerate(DIRECTIONS):
            mine = {row["rung"]: row["gflops"] for row in rows if row["direction"] == direction}
            places = [j + (i - 1) * 0.27 for j, rung in enumerate(rungs) if rung in mine]
            bars = axes.bar(places, list(mine.values()), 0.25, color=COLOURS[direction], label=direction)
            axes.bar_label(bars, fmt="%.3g", fontsize=7)
        axes.axhline(document["peak_gflops"], color="k", linewidth=1)
        axes.set(yscale="log", ylabel="GFLOP/s", title=layer)
        axes.set_xticks(
            range(len(rungs)), [rung.replace(" with ", "\nwith ").replace(", ", ",\n") for rung in rungs], fontsize=8
        )
    panels[0][0].legend(fontsize=8, loc="upper left")
    return figure


def scaling(document: Document) -> Figure:
    """Speed against each size that was varied; dashed lines are PyTorch's better memory format."""
    rows = document["scaling"]
    sizes = list(dict.fromkeys(row["varied"] for row in rows))
    figure, panels = plt.subplots(1, len(sizes), figsize=(4 * len(sizes), 3.6), layout="constrained", squeeze=False)
    for axes, varied in zip(panels[0], sizes, strict=True):
        for direction in DIRECTIONS:
            mine = [row for row in rows if (row["varied"], row["direction"]) == (varied, direction)]
            curve(axes, mine, direction)
        axes.set(xlabel=varied, ylabel="GFLOP/s")
        if varied != "threads":
            axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({row["value"] for row in rows if row["varied"] == varied}))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.tick_params("x", labelsize=6)
        axes.set_ylim(bottom=0)
    panels[0][0].legend(fontsize=7)
    return figure


def curve(axes: Axes, rows: list[Document], direction: str) -> None:
    """One direction of both libraries."""
    values = [row["value"] for row in rows]
    axes.plot(values, [row["gflops"] for row in rows], MARKERS[direction] + "-", color=COLOURS[direction], ms=3,
              label=direction)  # fmt: skip
    axes.plot(values, [row["other_gflops"] for row in rows], "--", color=COLOURS[direction], linewidth=1)


# Name of the image -> the document it needs and what draws it.
PLOTS: dict[str, tuple[str, Callable[[Document], Figure]]] = {
    "roofline": ("kernels", roofline),
    "ladder": ("ladder", ladder),
    "scaling": ("scaling", scaling),
}


def draw_all(results: Path, images: Path) -> list[Path]:
    """Draw what was measured and return the files."""
    images.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, (source, draw) in PLOTS.items():
        path = results / f"{source}.json"
        if path.exists():
            figure = draw(json.loads(path.read_text()))
            drawn.append(images / f"{name}.png")
            figure.savefig(drawn[-1], dpi=110, metadata={"Software": None})
            plt.close(figure)
    return drawn
