"""What an operation costs beside its arithmetic: ``python -m benchmarks.overhead``.

Tensors are so small that arithmetic takes no time; what is measured is checking, allocating, recording and launching.
Both libraries see equal values and take turns; their results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import scratchconv as sc
from benchmarks import machine
from benchmarks.machine import RESULTS

CALLS = 100  # calls between two readings of the clock
# Operands are standard normal and sums have at most 8 terms: float32 results agree to a few times 1e-7.
TOLERANCE = 1e-5


class Operation(NamedTuple):
    """``run(F, inputs)`` calls the operation in either library; ``F`` is its ``nn.functional``."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    run: Callable[[Any, Any], Any]


IMAGE, CHANNELS = (2, 4, 4, 4), (4,)
SHAPES = (IMAGE, CHANNELS, CHANNELS)  # of an image with a scale and a shift
OPERATIONS = (
    Operation("relu", (IMAGE,), lambda F, t: F.relu(t[0])),
    Operation("add", (IMAGE, IMAGE), lambda F, t: t[0] + t[1]),
    Operation("max_pool2d", (IMAGE,), lambda F, t: F.max_pool2d(t[0], 2)),
    Operation(
        "batch_norm",
        (IMAGE, CHANNELS, CHANNELS),
        lambda F, t: F.batch_norm(t[0], None, None, t[1], t[2], training=True),
    ),
    Operation("conv2d 1×1", (IMAGE, (4, 4, 1, 1), CHANNELS), lambda F, t: F.conv2d(*t)),
    Operation("linear", ((2, 4), (4, 4), CHANNELS), lambda F, t: F.linear(*t)),
    Operation("log_softmax", ((2, 4),), lambda F, t: F.log_softmax(t[0], 1)),
)


def measure(operation: Operation, repeats: int) -> list[dict[str, Any]]:
    """Time both libraries, forward alone and with the backward pass: median microseconds a call.

    Raises
    ------
    RuntimeError
        If their results differ: then there is nothing to time.
    """
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in operation.shapes]
    ours = [sc.Tensor(_as_we_keep_it(array), requires_grad=True) for array in arrays]
    theirs = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    y, wanted = operation.run(sc.nn.functional, ours), operation.run(torch.nn.functional, theirs)
    if not np.allclose(y.data, wanted.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE):
        raise RuntimeError(f"{operation.name}: the results differ")
    ones, torch_ones = sc.ones(*y.shape), torch.ones(y.shape)

    def forward() -> None:
        operation.run(sc.nn.functional, ours)

    def both() -> None:
        operation.run(sc.nn.functional, ours).backward(ones)

    def torch_forward() -> None:
        operation.run(torch.nn.functional, theirs)

    def torch_both() -> None:
        operation.run(torch.nn.functional, theirs).backward(torch_ones)

    times = take_turns([forward, torch_forward, both, torch_both], repeats)
    lines = []
    for part, own, other in (("forward", times[0], times[1]), ("forward and backward", times[2], times[3])):
        line: dict[str, Any] = {"operation": operation.name, "part": part}
        for library, seconds in (("scratchconv", own), ("PyTorch", other)):
            line |= {f"{library}_us": round(1e6 * statistics.median(seconds), 2)}
        lines.append(line)
    return lines


def take_turns(functions: list[Callable[[], None]], repeats: int) -> list[list[float]]:
    """Seconds a call of each function, in rounds of all of them; one round before warms up."""
    times: list[list[float]] = [[] for _ in functions]
    for turn in range(-1, repeats):
        for function, seconds in zip(functions, times, strict=True):
            start = time.perf_counter()
            for _ in range(CALLS):
                function()
            if turn >= 0:
                seconds.append((time.perf_counter() - start) / CALLS)
    return times


def _as_we_keep_it(array: np.ndarray) -> np.ndarray:
    """Images channels-last and weights (KH, KW, C, F) in memory, as every operation here returns them."""
    if array.shape == IMAGE:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    return array.copy()


def show(lines: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("operation", "part", title="Microseconds a call on tiny tensors, 1 thread")
    for name in ("scratchconv", "PyTorch", "ratio"):
        table.add_column(name, justify="right")
    for line in lines:
        own, other = line["scratchconv_us"], line["PyTorch_us"]
        table.add_row(line["operation"], line["part"], f"{own:.1f}", f"{other:.1f}", f"{own / other:.2f}")
    Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``results/overhead.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args(arguments).repeats
    sc.set_num_threads(1)
    torch.set_num_threads(1)
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **machine.describe(torch=True),
        "repeats": repeats,
        "calls": CALLS,
        "overhead": [line for operation in OPERATIONS for line in measure(operation, repeats)],
    }
    show(document["overhead"])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "overhead.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
