"""Train with both libraries over the same seeds and collect accuracy, time and peak memory in one JSON document.

Every run is a process of its own, one after the other, the libraries taking turns so that a slow phase of the machine
meets both. Weights and shuffling come from each library's own generator: the comparison is between distributions.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from scratchconv.train import environment
from torch_ref.run_folder import read_metrics

LIBRARIES = ("scratchconv", "torch_ref")


@dataclass(frozen=True)
class Plan:
    """What is trained: the options of the training command, and the seeds."""

    model: str
    data: str
    seeds: tuple[int, ...]
    epochs: int = 1
    batch_size: int = 100
    lr: float = 1e-3
    threads: int | None = None
    data_root: Path | None = None
    channels_last: bool = True

    def command(self, library: str, seed: int, out: Path) -> list[str]:
        """Compose the training command of one run; ``channels_last`` is PyTorch's choice only."""
        options: dict[str, object] = {"--data": self.data, "--epochs": self.epochs, "--batch-size": self.batch_size}
        options |= {"--lr": self.lr, "--seed": seed, "--threads": self.threads, "--data-root": self.data_root}
        options["--out"] = out
        words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        if library == "torch_ref":
            words.append("--channels-last" if self.channels_last else "--no-channels-last")
        return [sys.executable, "-m", library, "train", self.model, *words]


def compare(plan: Plan, runs_folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run ``plan`` and return the document; run folders are left in ``runs_folder``.

    Raises
    ------
    RuntimeError
        If a training fails; the message holds the end of what it said.
    """
    load_before = os.getloadavg()
    runs = []
    for turn, seed in enumerate(plan.seeds):
        for library in LIBRARIES if turn % 2 == 0 else LIBRARIES[::-1]:
            runs.append(_train(plan, library, seed, runs_folder))
            say("{library} seed {seed}: test accuracy {test_accuracy:.4f}, {train_seconds:.1f} s".format_map(runs[-1]))
    return {
        "what": "training",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "plan": {name: str(v) if isinstance(v, Path) else v for name, v in vars(plan).items()},
        **_environment(),
        "load": {"before": load_before, "after": os.getloadavg()},
        "runs": runs,
        "summary": {library: summary(runs, library) for library in LIBRARIES},
    }


def _train(plan: Plan, library: str, seed: int, runs_folder: Path) -> dict[str, Any]:
    """One training process, as a JSON object."""
    runs_folder.mkdir(parents=True, exist_ok=True)
    out, result = runs_folder / f"{library}-{seed}", runs_folder / f"{library}-{seed}.json"
    timed = [sys.executable, "-m", "torch_ref.timed", str(result), *plan.command(library, seed, out)]
    done = subprocess.run(timed, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(timed)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    process = json.loads(result.read_text())
    epochs = read_metrics(out, "epoch")
    return {
        "library": library,
        "seed": seed,
        "test_accuracy": read_metrics(out, "test")[-1]["accuracy"],
        "train_seconds": round(sum(epoch["seconds"] for epoch in epochs), 3),
        "images_per_second": epochs[-1]["images_per_second"],
        "process_seconds": process["seconds"],
        "peak_memory_mb": process["peak_memory_mb"],
    }


def summary(runs: Sequence[dict[str, Any]], library: str) -> dict[str, float]:
    """Reduce one library's runs to mean and worst accuracy, median times and largest memory."""
    mine = [run for run in runs if run["library"] == library]
    accuracies = [run["test_accuracy"] for run in mine]
    return {
        "mean_accuracy": statistics.fmean(accuracies),
        "min_accuracy": min(accuracies),
        "median_train_seconds": statistics.median(run["train_seconds"] for run in mine),
        "median_process_seconds": statistics.median(run["process_seconds"] for run in mine),
        "peak_memory_mb": max(run["peak_memory_mb"] for run in mine),
    }


def _environment() -> dict[str, Any]:
    """Versions of both libraries, machine and commit."""
    described = environment.describe()
    described["versions"] |= {name: version(name) for name in ("torch", "torchvision")}
    return described


def table(document: dict[str, Any]) -> Table:
    """Draw the summary."""
    plan = document["plan"]
    seeds = ", ".join(map(str, plan["seeds"]))
    result = Table(title=f"{plan['model']} on {plan['data']}, {plan['epochs']} epochs, seeds {seeds}")
    result.add_column("")
    for name in ("mean accuracy", "worst accuracy", "training s", "process s", "peak MB"):
        result.add_column(name, justify="right")
    for library, values in document["summary"].items():
        result.add_row(
            library,
            f"{100 * values['mean_accuracy']:.2f} %",
            f"{100 * values['min_accuracy']:.2f} %",
            f"{values['median_train_seconds']:.1f}",
            f"{values['median_process_seconds']:.1f}",
            f"{values['peak_memory_mb']:.0f}",
        )
    return result


def parse_seeds(text: str) -> tuple[int, ...]:
    """``0-4`` or ``0,2,5`` or both joined by commas, as numbers; raises ValueError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            seeds += range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise ValueError(f"seeds look like 0-4 or 0,2,5; got {text!r}") from None
    if not seeds:
        raise ValueError(f"no seed in {text!r}: a range counts upwards, as in 0-4")
    return tuple(seeds)
