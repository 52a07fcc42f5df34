"""Training steps and inference of the article's networks, beside every mode of PyTorch.

A step is forward, loss, backward and Adam on one batch of random images. All start from equal weights and see equal
images; the first losses (or the logits) are compared with float64 before anything is timed.
"""

from __future__ import annotations

import functools
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmarks import networks
from benchmarks.effort import Effort
from benchmarks.networks import EAGER, TORCH, TORCH_COMPILED, TORCH_EAGER, Work
from benchmarks.timing import Probe, Sampler, Timing, rounded, rounds, sampler
from benchmarks.worker import STEP, TURN_SECONDS, remotes

WORKS = tuple(
    Work(model, what, batch)
    for what, batch in (("training", 100), ("inference", 100), ("inference", 1))
    for model in ("cnn", "resnet")
)


def measure(probe: Probe, effort: Effort, threads: int) -> dict[str, Any]:
    """Rows of all works, and what did not run.

    On one thread all contenders take turns in this process; on several each has a process of its own.
    """
    works = [w for w in WORKS if threads == 1 or w.what == "training"][: effort.most]
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for work in track(works, f"steps, {threads} thread{'s' * (threads > 1)}"):
        names = networks.contenders()
        if effort.quick:
            names = [name for name in names if name not in TORCH_COMPILED]
        if threads == 1:
            rows += in_one_process(work, names, probe, effort, notes)
        else:
            rows += in_processes(work, names, probe, effort, threads)
    return {"steps": rows, "notes": sorted(set(notes))}


def in_one_process(
    work: Work, names: list[str], probe: Probe, effort: Effort, notes: list[str]
) -> list[dict[str, Any]]:
    """All contenders by turns; PyTorch's compiled modes are left out, and that is noted, where they do not work."""
    import torch

    torch._dynamo.reset()
    samplers: dict[str, Sampler] = {}
    errors: dict[str, float] = {}
    for name in names:
        try:
            step = networks.build(work, name)
            errors[name] = networks.check(work, name, networks.first_values(work, step))
        except torch._dynamo.exc.TorchDynamoException as failure:
            notes.append(f"{name} does not work here: {type(failure).__name__}")
            continue
        samplers[name] = sampler(step, turn_seconds(effort))
    return describe(work, 1, rounds(samplers, effort.rounds, probe), errors)


def turn_seconds(effort: Effort) -> float:
    """How long a turn lasts: a training step follows others, and finds in the caches what the last one left there."""
    return min(TURN_SECONDS, 100 * effort.sample_seconds)


def in_processes(work: Work, names: list[str], probe: Probe, effort: Effort, threads: int) -> list[dict[str, Any]]:
    """One process for each contender, by turns."""
    turn = turn_seconds(effort)
    jobs = {name: {**vars(work), "contender": name, "threads": threads, "turn_seconds": turn} for name in names}
    with remotes(jobs) as running:
        errors = {name: networks.check(work, name, remote.first_values[STEP]) for name, remote in running.items()}
        samplers = {name: functools.partial(remote.sample, STEP) for name, remote in running.items()}
        timing = rounds(samplers, effort.rounds, probe, here=False)
    return describe(work, threads, timing, errors)


def describe(work: Work, threads: int, timing: Timing, errors: dict[str, float]) -> list[dict[str, Any]]:
    """One row for each contender: eager is compared with eager, compiled with all modes of PyTorch."""
    rows = []
    for name, error in errors.items():
        others = tuple(other for other in (TORCH_EAGER if name == EAGER else TORCH) if other in errors)
        summary = timing.summary(name, () if name in TORCH else others)
        rows.append({**vars(work), "threads": threads, "library": name, "error": rounded(error), **summary})
    return rows


def table(document: dict[str, Any]) -> Table:
    """Draw the rows."""
    result = Table(title="Steps of the article's networks")
    for column in ("work", "threads", "library", "median ms", "fastest", "PyTorch's best / it, median", "min", "slow"):
        result.add_column(column, justify="left" if column in ("work", "library") else "right")
    for row in document["steps"]:
        ratio = row.get("ratio")
        result.add_row(
            f"{row['model']} {row['what']}, batch {row['batch']}",
            f"{row['threads']}",
            row["library"],
            f"{row['median_ms']:.3f}",
            f"{row['fastest_ms']:.3f}",
            f"{ratio['median']:.2f}" if ratio else "",
            f"{ratio['min']:.2f}" if ratio else "",
            f"{row['slow_rounds']} of {row['rounds']}",
        )
    return result
