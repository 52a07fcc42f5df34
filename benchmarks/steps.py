"""One training step of the article's networks, beside PyTorch's eager mode: ``python -m benchmarks.steps``.

A step is forward, loss, backward and Adam on one batch of 100 random images. Both libraries start from equal weights
and see equal images, and their losses are compared before anything is timed. The libraries take turns, so that a slow
phase of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import scratchconv as sc
from benchmarks import machine
from benchmarks.report import RESULTS
from torch_ref import convert, models

BATCH = 100
SHAPES = {"cnn": (1, 28, 28), "resnet": (3, 32, 32)}
FORMATS = {"PyTorch NCHW": torch.contiguous_format, "PyTorch channels_last": torch.channels_last}
# The first losses are means over 100 images of float32 networks; both libraries stay within 1e-6 of the truth.
LOSS_TOLERANCE = 1e-4

Step = Callable[[], float]


def our_step(name: str, weights: dict[str, Any], images: np.ndarray, labels: np.ndarray) -> Step:
    """Return a function that trains our model by one step and returns the loss before it."""
    model: Any = {"cnn": sc.models.CNN, "resnet": sc.models.ResNet}[name]()
    convert.load_scratchconv(model, weights)
    optimizer = sc.optim.Adam(model.parameters(), lr=1e-3)
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    x, t = sc.from_numpy(channels_last), sc.from_numpy(labels)

    def step() -> float:
        loss = sc.nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def torch_step(name: str, weights: dict[str, Any], images: np.ndarray, labels: np.ndarray, layout: Any) -> Step:
    """Return the same for PyTorch in one memory format."""
    model = models.build(name)
    convert.load_torch(model, weights)
    model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, t = torch.from_numpy(images).contiguous(memory_format=layout), torch.from_numpy(labels)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure(name: str, threads: int, repeats: int) -> list[dict[str, Any]]:
    """Time all libraries on one network: median and fastest step in milliseconds.

    Raises
    ------
    RuntimeError
        If the losses differ: then there is nothing to time.
    """
    sc.set_num_threads(threads)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    images = rng.random((BATCH, *SHAPES[name]), np.float32)
    labels = rng.integers(0, 10, BATCH)
    weights = convert.torch_state(models.build(name, seed=0))
    steps = {"scratchconv": our_step(name, weights, images, labels)}
    steps |= {library: torch_step(name, weights, images, labels, layout) for library, layout in FORMATS.items()}
    losses = {library: step() for library, step in steps.items()}
    if max(losses.values()) - min(losses.values()) > LOSS_TOLERANCE:
        raise RuntimeError(f"the first losses differ: {losses}")
    times = take_turns(list(steps.values()), repeats)
    return [
        {
            "model": name,
            "library": library,
            "threads": threads,
            "median_ms": round(1e3 * statistics.median(seconds), 3),
            "fastest_ms": round(1e3 * min(seconds), 3),
        }
        for library, seconds in zip(steps, times, strict=True)
    ]


def take_turns(steps: Sequence[Step], repeats: int) -> list[list[float]]:
    """Seconds of each step, in rounds of all of them; two rounds before warm up."""
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(-2, repeats):
        for step, seconds in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            if turn >= 0:
                seconds.append(time.perf_counter() - start)
    return times


def main() -> None:
    """Measure, print, and write ``results/steps.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **machine.describe(torch=True),
        "batch": BATCH,
        "repeats": arguments.repeats,
        "steps": [line for name in SHAPES for t in arguments.threads for line in measure(name, t, arguments.repeats)],
    }
    for line in document["steps"]:
        print(
            "{model:7} {threads} threads  {library:22} {median_ms:8.2f} ms, at best {fastest_ms:.2f}".format_map(line)
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "steps.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
