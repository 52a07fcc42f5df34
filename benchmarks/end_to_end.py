"""Whole processes, as a user starts them: a training of one epoch, and the way to the first step."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import Progress
from rich.table import Table

from benchmarks.timing import rounded

OURS, THEIRS = "scratchconv", "PyTorch channels_last"
NOTICE = "compiling kernels"  # what the library says on its first run


def training_command(library: str, data: str, out: Path) -> list[str]:
    """The command of one whole training on one thread."""
    package = "scratchconv" if library == OURS else "torch_ref"
    layout = [] if library == OURS else ["--channels-last"]
    settings = ["cnn", "--data", data, "--epochs", "1", "--threads", "1", "--out", str(out)]
    return [sys.executable, "-m", package, "train", *settings, *layout]


def training(library: str, data: str) -> dict[str, Any]:
    """Train in a process of its own: seconds from start to exit, peak memory, and the accuracy for the check."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        out, result = Path(folder, "run"), Path(folder, "process.json")
        # A small process between this one and the command: Linux counts, in a peak, the memory of the parent.
        run([sys.executable, "-m", "torch_ref.timed", str(result), *training_command(library, data, out)])
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        accuracy = next(line["accuracy"] for line in reversed(lines) if "accuracy" in line)
        return {"library": library, **json.loads(result.read_text()), "test_accuracy": accuracy}


def run(command: list[str]) -> None:
    """Run a command to its end; RuntimeError with the end of its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def first_step(library: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Seconds from the start of a process to the end of its first training step, and what it said of compiling.

    Raises
    ------
    RuntimeError
        If it takes no step, or its loss is not that of a network that knows nothing, about ln 10.
    """
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.first_step", library]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.perf_counter() - start
    _, errors = process.communicate()
    if process.returncode != 0 or not abs(float(line) - math.log(10)) < 1:
        raise RuntimeError(f"{' '.join(command)} gave {line!r}:\n{errors[-2000:]}")
    return {"seconds": round(seconds, 3), "said_so": NOTICE in errors}


def measure(repeats: int, data: str) -> dict[str, Any]:
    """All figures; the libraries take turns."""
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="benchmarks-") as cache:
        task = progress.add_task("whole processes", total=2 + 6 * repeats)

        def step(value: dict[str, Any]) -> dict[str, Any]:
            progress.advance(task)
            return value

        empty = {"SCRATCHCONV_CACHE": cache}
        cold = step(first_step("scratchconv", empty))
        warm: list[dict[str, Any]] = []
        theirs: list[dict[str, Any]] = []
        for _ in range(2 * repeats):
            warm.append(step(first_step("scratchconv", empty)))
            theirs.append(step(first_step("pytorch", {})))
        run([*training_command(OURS, "digits", Path(cache, "run"))])  # compiles what the trainings below need
        progress.advance(task)
        runs = []
        for turn in range(repeats):
            runs += [step(training(library, data)) for library in ((OURS, THEIRS) if turn % 2 == 0 else (THEIRS, OURS))]
    return {
        "data": data,
        "first_step": {
            "cold": cold,
            "warm_seconds": [line["seconds"] for line in warm],
            "pytorch_seconds": [line["seconds"] for line in theirs],
        },
        "runs": runs,
        "summary": summary(runs),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Our time over PyTorch's in each turn, and our peak memory over theirs."""
    mine = [line for line in runs if line["library"] == OURS]
    other = [line for line in runs if line["library"] == THEIRS]
    times = [a["seconds"] / b["seconds"] for a, b in zip(mine, other, strict=True)]
    memory = [a["peak_memory_mb"] / b["peak_memory_mb"] for a, b in zip(mine, other, strict=True)]
    return {
        "time": {"median": rounded(statistics.median(times)), "max": rounded(max(times))},
        "memory": {"median": rounded(statistics.median(memory)), "max": rounded(max(memory))},
    }


def table(document: dict[str, Any]) -> Table:
    """Draw the figures."""
    share = document["summary"]
    result = Table(
        title=f"train cnn --data {document['data']} --epochs 1, one thread: {share['time']['median']:.2f} of the time, "
        f"{share['memory']['median']:.2f} of the memory"
    )
    for column in ("process", "s", "peak MB", "test accuracy"):
        result.add_column(column, justify="left" if column == "process" else "right")
    for line in document["runs"]:
        accuracy = f"{100 * line['test_accuracy']:.2f} %"
        result.add_row(line["library"], f"{line['seconds']:.1f}", f"{line['peak_memory_mb']:.0f}", accuracy)
    steps = document["first_step"]
    result.add_row("first step, first run ever", f"{steps['cold']['seconds']:.1f}", "", "")
    result.add_row("first step, later runs", f"{statistics.median(steps['warm_seconds']):.2f}", "", "")
    result.add_row("first step, PyTorch", f"{statistics.median(steps['pytorch_seconds']):.2f}", "", "")
    return result
