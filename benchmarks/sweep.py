"""Many convolutions, each direction, our automatic choice beside the better of PyTorch's memory formats.

Ours goes through ``scratchconv.ops.conv2d``: checks, allocation of the result and packing of the weights are included.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmarks.convolution import DIRECTIONS, LAYOUTS, Job, Shape, checked
from benchmarks.effort import Effort
from benchmarks.shapes import FAMILIES
from benchmarks.timing import Probe, rounded, rounds, sampler

BEHIND = 0.9  # rows under this ratio are named


def measure(probe: Probe, effort: Effort) -> dict[str, Any]:
    """All rows, and their geometric means."""
    jobs = [(family, shape) for family, shapes in FAMILIES.items() for shape in shapes][: effort.most]
    rows = [line for family, shape in track(jobs, "sweep") for line in measure_shape(family, shape, probe, effort)]
    return {"sweep": rows, "summary": summary(rows), "convolutions": len(jobs)}


def measure_shape(family: str, shape: Shape, probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """Three rows: forward, input gradient, weight gradient."""
    job = Job(shape)
    rows = []
    for direction in DIRECTIONS:
        truth = job.truth(direction)
        calls = {"scratchconv": job.automatic(direction)} | job.torch(direction)
        errors = {name: checked(f"{shape.name}, {direction}, {name}", call, truth) for name, call in calls.items()}
        samplers = {name: sampler(call, effort.sample_seconds) for name, call in calls.items()}
        timing = rounds(samplers, effort.rounds, probe)
        line = timing.summary("scratchconv", tuple(LAYOUTS), shape.flop)
        best = line["best_other"]
        rows.append(
            {
                "family": family,
                "convolution": shape.name,
                "batch": shape.batch,
                "direction": direction,
                "algorithm": job.chosen(direction),
                **line,
                "other_gflops": rounded(shape.flop / timing.median(best) / 1e9),
                "error": float(f"{errors['scratchconv']:.2g}"),
                "error_other": float(f"{errors[best]:.2g}"),
            }
        )
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Geometric means of the median ratios: of all rows, of each direction, of each family; and the rows behind."""
    ratios = [row["ratio"]["median"] for row in rows]
    behind = sorted((row for row in rows if row["ratio"]["median"] < BEHIND), key=lambda row: row["ratio"]["median"])
    return {
        "all": mean(ratios),
        "directions": {d: mean(row["ratio"]["median"] for row in rows if row["direction"] == d) for d in DIRECTIONS},
        "families": {
            family: mean(row["ratio"]["median"] for row in rows if row["family"] == family)
            for family in dict.fromkeys(row["family"] for row in rows)
        },
        "worst": min(ratios),
        "behind": [f"{row['convolution']}, {row['direction']}: {row['ratio']['median']:.2f}" for row in behind],
    }


def mean(ratios: Iterable[float]) -> float:
    """Geometric mean, as ratios ask for: 2 and 1/2 make 1."""
    return rounded(statistics.geometric_mean(ratios))


def table(document: dict[str, Any]) -> Table:
    """Draw all rows, with the means in the caption."""
    means = document["summary"]
    each = ", ".join(f"{direction} {value:.2f}" for direction, value in means["directions"].items())
    behind = "; ".join(means["behind"]) or "none"
    result = Table(
        title=f"{document['convolutions']} convolutions, one thread: geometric mean {means['all']:.2f} ({each})",
        caption=f"under {BEHIND}: {behind}",
    )
    words = ("convolution", "direction", "algorithm", "its best")
    for column in (*words[:3], "GFLOP/s", "PyTorch", "its best", "PyTorch / ours, median", "min"):
        result.add_column(column, justify="left" if column in words else "right")
    for row in document["sweep"]:
        result.add_row(
            row["convolution"],
            row["direction"],
            row["algorithm"],
            f"{row['gflops']:.0f}",
            f"{row['other_gflops']:.0f}",
            row["best_other"].removeprefix("PyTorch "),
            f"{row['ratio']['median']:.2f}",
            f"{row['ratio']['min']:.2f}",
        )
    return result
