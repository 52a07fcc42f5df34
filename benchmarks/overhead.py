"""What an operation costs beside its arithmetic.

Tensors are so small that arithmetic takes no time; what is measured is checking, allocating, recording and launching.
Both libraries see equal values and take turns; their results are compared before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

import scratchconv as sc
from benchmarks.effort import Effort
from benchmarks.timing import Probe, rounded, rounds, sampler

OURS, THEIRS = "scratchconv ", "PyTorch "
FORWARD, BOTH = "forward", "forward and backward"
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


def measure(operation: Operation, probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """Time both libraries, forward alone and with the backward pass: median a call.

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

    calls = {OURS + FORWARD: forward, THEIRS + FORWARD: torch_forward, OURS + BOTH: both, THEIRS + BOTH: torch_both}
    timing = rounds({name: sampler(call, effort.sample_seconds) for name, call in calls.items()}, effort.rounds, probe)
    return [
        {
            "operation": operation.name,
            "part": part,
            **timing.summary(OURS + part, (THEIRS + part,)),
            "other_ms": rounded(1e3 * timing.median(THEIRS + part)),
        }
        for part in (FORWARD, BOTH)
    ]


def _as_we_keep_it(array: np.ndarray) -> np.ndarray:
    """Images channels-last and weights (KH, KW, C, F) in memory, as every operation here returns them."""
    if array.shape == IMAGE:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    return array.copy()


def measure_all(probe: Probe, effort: Effort) -> dict[str, Any]:
    """Two rows for each operation."""
    operations = track(OPERATIONS[: effort.most], "overhead")
    return {"overhead": [line for operation in operations for line in measure(operation, probe, effort)]}


def table(document: dict[str, Any]) -> Table:
    """Draw the rows."""
    result = Table("operation", "part", title="Microseconds a call on tiny tensors, 1 thread")
    for name in ("scratchconv", "PyTorch", "PyTorch / ours, median", "min"):
        result.add_column(name, justify="right")
    for line in document["overhead"]:
        own, other = 1e3 * line["median_ms"], 1e3 * line["other_ms"]
        ratio = line["ratio"]
        cells = (f"{own:.1f}", f"{other:.1f}", f"{ratio['median']:.2f}", f"{ratio['min']:.2f}")
        result.add_row(line["operation"], line["part"], *cells)
    return result
