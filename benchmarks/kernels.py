"""The convolutions of the article's networks, each algorithm of ours beside PyTorch, and the ladder of algorithms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmarks.algorithms import rungs
from benchmarks.convolution import DIRECTIONS, LAYOUTS, TOLERANCE, Job, Shape, checked
from benchmarks.effort import Effort
from benchmarks.timing import Probe, rounds, sampler

BATCH = 100
LAYERS = (
    Shape("CNN 1→16, 5×5 @28", BATCH, 28, 1, 16, 5, padding=2),
    Shape("CNN 16→32, 5×5 @14", BATCH, 14, 16, 32, 5, padding=2),
    Shape("ResNet 3→16 @32", BATCH, 32, 3, 16, 3, padding=1),
    Shape("ResNet 16→16 @32", BATCH, 32, 16, 16, 3, padding=1),
    Shape("ResNet 16→32, stride 2 @32", BATCH, 32, 16, 32, 3, stride=2, padding=1),
    Shape("ResNet 32→32 @16", BATCH, 16, 32, 32, 3, padding=1),
    Shape("ResNet 32→64, stride 2 @16", BATCH, 16, 32, 64, 3, stride=2, padding=1),
    Shape("ResNet 64→64 @8", BATCH, 8, 64, 64, 3, padding=1),
)
SLOW_RUNGS = ("naive", "im2col")  # shown on the ladder only
LADDER_LAYERS = (LAYERS[1], LAYERS[3], LAYERS[5])  # of both networks; few filters, and more
NAIVE_BATCH = 2  # the contract is a thousand times slower


def layers(probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """One row for each layer, direction and algorithm."""
    rows = []
    for shape in track(LAYERS[: effort.most], "layers of the article"):
        job = Job(shape)
        for direction in DIRECTIONS:
            rows += direction_rows(job, direction, probe, effort)
    return rows


def direction_rows(job: Job, direction: str, probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """All fast algorithms and PyTorch in turns, each checked first."""
    ours = {rung.name: rung for rung in rungs(job.shape, direction) if rung.name not in SLOW_RUNGS}
    calls = {name: job.algorithm(rung.load(), direction) for name, rung in ours.items()} | job.torch(direction)
    truth = job.truth(direction)
    errors = {}
    for name, call in calls.items():
        tolerance = ours[name].tolerance if name in ours else TOLERANCE
        errors[name] = checked(f"{job.shape.name}, {direction}, {name}", call, truth, tolerance)
    samplers = {name: sampler(call, effort.sample_seconds) for name, call in calls.items()}
    timing = rounds(samplers, effort.rounds, probe)
    return [
        {
            "layer": job.shape.name,
            "direction": direction,
            "algorithm": name,
            "stride": job.shape.stride,
            "channels": job.shape.channels,
            "flop": job.shape.flop,
            "bytes": job.shape.bytes,
            "error": float(f"{error:.2g}"),
            **timing.summary(name, () if name in LAYOUTS else tuple(LAYOUTS), job.shape.flop),
        }
        for name, error in errors.items()
    ]


def ladder(probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """Every rung on one layer of each network."""
    jobs = [(shape, direction) for shape in LADDER_LAYERS[: effort.most] for direction in DIRECTIONS]
    rows = []
    for shape, direction in track(jobs[: 3 * effort.most], "the ladder"):
        job, few = Job(shape), Job(replace(shape, batch=NAIVE_BATCH))
        truths = {shape.batch: job.truth(direction), NAIVE_BATCH: few.truth(direction)}
        found = {rung.name: rung for rung in rungs(shape, direction)}
        mine = {name: few if name == "naive" else job for name in found}
        calls = {name: mine[name].algorithm(rung.load(), direction) for name, rung in found.items()}
        errors = {
            name: checked(f"{shape.name}, {name}", call, truths[mine[name].shape.batch], found[name].tolerance)
            for name, call in calls.items()
        }
        timing = rounds({n: sampler(c, effort.sample_seconds) for n, c in calls.items()}, effort.rounds, probe)
        rows += [
            {
                "layer": shape.name,
                "direction": direction,
                "rung": name,
                "batch": mine[name].shape.batch,
                "error": float(f"{errors[name]:.2g}"),
                "lines": rung.lines,
                **timing.summary(name, flop=mine[name].shape.flop),
            }
            for name, rung in found.items()
        ]
    return rows


def layers_table(document: dict[str, Any]) -> Table:
    """Draw the layers."""
    table = Table(title="Convolutions of the article, batch 100, one thread")
    for column in ("layer", "direction", "algorithm", "ms", "GFLOP/s", "of the peak", "PyTorch / ours, median", "min"):
        table.add_column(column, justify="left" if column in ("layer", "direction", "algorithm") else "right")
    for row in document["layers"]:
        ratio = row.get("ratio")
        table.add_row(
            row["layer"],
            row["direction"],
            row["algorithm"],
            f"{row['median_ms']:.3f}",
            f"{row['gflops']:.0f}",
            f"{100 * row['share']:.0f} %",
            f"{ratio['median']:.2f}" if ratio else "",
            f"{ratio['min']:.2f}" if ratio else "",
        )
    return table


def ladder_table(document: dict[str, Any]) -> Table:
    """Draw the ladder."""
    table = Table(title="The ladder")
    for column in ("layer", "direction", "rung", "batch", "ms", "GFLOP/s", "of the peak", "error", "lines"):
        table.add_column(column, justify="left" if column in ("layer", "direction", "rung") else "right")
    for row in document["ladder"]:
        table.add_row(
            row["layer"],
            row["direction"],
            row["rung"],
            f"{row['batch']}",
            f"{row['median_ms']:.3f}",
            f"{row['gflops']:.3g}",
            f"{100 * row['share']:.3g} %",
            f"{row['error']:.1e}",
            f"{row['lines']}",
        )
    return table
