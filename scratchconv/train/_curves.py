"""The picture of a run (needs the ``plot`` extra)."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure


def draw(steps: list[dict[str, Any]], tests: list[dict[str, Any]]) -> Figure:
    """Training loss at every step above, test accuracy at the end of every epoch below."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot([record["step"] for record in steps], [record["loss"] for record in steps], linewidth=0.8)
    above.set_yscale("log")
    above.set_ylabel("training loss")
    below.plot([record["step"] for record in tests], [100 * record["accuracy"] for record in tests], marker="o")
    below.set_ylabel("test accuracy (%)")
    below.set_xlabel("optimizer step")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure
