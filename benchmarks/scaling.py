"""How speed depends on one size at a time: batch, image side, channels, and the number of threads.

The base is the ResNet's middle layer, 3×3, 32→32 at 16×16; one size varies, the others stay. On threads each library
runs in processes of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmarks.convolution import DIRECTIONS, LAYOUTS, Job, Shape, checked
from benchmarks.effort import Effort
from benchmarks.timing import Probe, rounded, rounds, sampler
from benchmarks.worker import TURN_SECONDS, remotes

BASE = Shape("3×3", 32, 16, 32, 32, 3, padding=1)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SIDES = (8, 14, 16, 28, 32, 56, 112, 224)
CHANNELS = (1, 2, 3, 4, 8, 16, 24, 32, 64, 128, 256)
CONTENDERS = ("scratchconv", *LAYOUTS)


def shapes() -> Iterator[tuple[str, int, Shape]]:
    """What varies, its value, and the convolution."""
    for batch in BATCHES:
        yield "batch", batch, replace(BASE, batch=batch)
    for side in SIDES:
        yield "image side", side, replace(BASE, side=side, batch=8 if side < 100 else 2)
    for channels in CHANNELS:
        yield "channels", channels, replace(BASE, channels=channels, filters=channels, batch=8)


def measure(probe: Probe, effort: Effort, threads: int) -> dict[str, Any]:
    """Rows for each value and direction on one thread, and the base layer on 1 to ``threads`` threads."""
    points = list(shapes())[: effort.most]
    rows = [line for point in track(points, "scaling") for line in measure_point(*point, probe, effort)]
    shape = replace(BASE, name="3×3, 32→32 @16, batch 128", batch=128)
    if threads > 1:
        for count in track(range(1, threads + 1), "threads"):
            rows += measure_threads(shape, count, Probe(count), effort)
    return {"scaling": rows, "base": vars(BASE)}


def measure_point(varied: str, value: int, shape: Shape, probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """All directions of one convolution."""
    job = Job(shape)
    rows = []
    for direction in DIRECTIONS:
        truth = job.truth(direction)
        calls = {"scratchconv": job.automatic(direction)} | job.torch(direction)
        errors = {name: checked(f"{varied} {value}, {direction}, {name}", c, truth) for name, c in calls.items()}
        timing = rounds({n: sampler(c, effort.sample_seconds) for n, c in calls.items()}, effort.rounds, probe)
        rows.append(row(varied, value, direction, shape, timing.summary("scratchconv", tuple(LAYOUTS)), errors))
    return rows


def measure_threads(shape: Shape, threads: int, probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """All directions with a number of threads, each contender in its own process."""
    turn = min(TURN_SECONDS, 100 * effort.sample_seconds)
    work = {"shape": vars(shape), "threads": threads, "turn_seconds": turn}
    rows = []
    with remotes({name: {**work, "contender": name} for name in CONTENDERS}) as running:
        for direction in DIRECTIONS:
            errors = {name: remote.first_values[direction][0] for name, remote in running.items()}
            samplers = {name: functools.partial(remote.sample, direction) for name, remote in running.items()}
            summary = rounds(samplers, effort.rounds, probe, here=False).summary("scratchconv", tuple(LAYOUTS))
            rows.append(row("threads", threads, direction, shape, summary, errors))
    return rows


def row(
    varied: str, value: int, direction: str, shape: Shape, summary: dict[str, Any], errors: dict[str, float]
) -> dict[str, Any]:
    """One point of a curve."""
    seconds = summary["median_ms"] / 1e3
    return {
        "varied": varied,
        "value": value,
        "direction": direction,
        "error": float(f"{errors['scratchconv']:.2g}"),
        **summary,
        "gflops": rounded(shape.flop / seconds / 1e9),
        "other_gflops": rounded(shape.flop / seconds / summary["ratio"]["median"] / 1e9),
    }


def table(document: dict[str, Any]) -> Table:
    """Draw all points."""
    result = Table(title="Scaling of 3×3, 32→32 @16")
    for column in ("varied", "value", "direction", "GFLOP/s", "PyTorch's best", "PyTorch / ours, median", "min"):
        result.add_column(column, justify="left" if column in ("varied", "direction") else "right")
    for line in document["scaling"]:
        result.add_row(
            line["varied"],
            f"{line['value']}",
            line["direction"],
            f"{line['gflops']:.0f}",
            f"{line['other_gflops']:.0f}",
            f"{line['ratio']['median']:.2f}",
            f"{line['ratio']['min']:.2f}",
        )
    return result
