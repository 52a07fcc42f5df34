"""What stands around a convolution, at the article's sizes: pooling, BatchNorm, linear, cross-entropy, Adam.

Ours run through ``scratchconv.ops`` (checks and allocation included), PyTorch's through ``torch.ops.aten``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

from benchmarks.convolution import LAYOUTS, Call, normal, rms_error
from benchmarks.effort import Effort
from benchmarks.timing import Probe, rounded, rounds, sampler
from scratchconv.ops import batch_norm, cross_entropy, linear, max_pool2d, optimizer

# Largest relative rms error that is timed. PyTorch's BatchNorm adds up to 1e5 float32 numbers one after the other and
# is off by 1.3e-5; a mistake is off by far more than 1e-4.
TOLERANCE = 1e-4

aten = torch.ops.aten
Convert = Callable[[np.ndarray], torch.Tensor]


@dataclass(frozen=True)
class Case:
    """An operation with its data: our call, and how to build PyTorch's from arrays that ``Convert`` brings over."""

    name: str
    ours: Call
    theirs: Callable[[Convert], Call]
    bytes: int  # what must be read and written at least
    variants: tuple[str, ...] = tuple(LAYOUTS)


def cases() -> Iterator[Case]:
    """All operations of a training step but the convolutions."""
    for channels, side in ((16, 28), (32, 14)):
        yield from max_pool(100, channels, side)
    for channels, side in ((16, 28), (16, 32), (64, 8)):
        yield from norm(100, channels, side)
    yield from dense(100, 1568, 10)
    yield from loss(100, 10)
    yield adam("CNN", ((16, 1, 5, 5), (16,), (16,), (16,), (32, 16, 5, 5), (32,), (32,), (32,), (10, 1568), (10,)))


def max_pool(batch: int, channels: int, side: int) -> Iterator[Case]:
    """Max-pool 2×2."""
    rng = np.random.default_rng(0)
    x, dy = images(rng, batch, channels, side), images(rng, batch, channels, side // 2)
    _, saved = max_pool2d.forward(x, kernel_size=2)
    name = f"max-pool 2×2, {channels} channels @{side}"

    def forward(to: Convert) -> Call:
        tx = to(x)
        return lambda: aten.max_pool2d_with_indices(tx, [2, 2], [2, 2])[0]  # the other result says where maxima are

    def backward(to: Convert) -> Call:
        tx, gradient = to(x), to(dy)
        _, indices = aten.max_pool2d_with_indices(tx, [2, 2], [2, 2])
        rest = ([2, 2], [2, 2], [0, 0], [1, 1], False, indices)
        return lambda: aten.max_pool2d_with_indices_backward(gradient, tx, *rest)

    size = x.nbytes + dy.nbytes
    yield Case(f"{name}, forward", lambda: max_pool2d.forward(x, kernel_size=2)[0], forward, size)
    yield Case(f"{name}, backward", lambda: max_pool2d.backward(saved, dy, (True,)), backward, size + x.nbytes)


def norm(batch: int, channels: int, side: int) -> Iterator[Case]:
    """BatchNorm in training."""
    rng = np.random.default_rng(0)
    x, dy = images(rng, batch, channels, side), images(rng, batch, channels, side)
    gamma, beta = normal(rng, (channels,)), normal(rng, (channels,))
    running = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    settings: dict[str, Any] = {"running_mean": running[0], "running_var": running[1], "training": True}
    _, saved = batch_norm.forward(x, gamma, beta, **settings)
    name = f"BatchNorm, {channels} channels @{side}"

    def forward(to: Convert) -> Call:
        arguments = [to(a.copy()) for a in (x, gamma, beta, *running)]
        return lambda: aten.native_batch_norm(*arguments, True, 0.1, 1e-5)[0]

    def backward(to: Convert) -> Call:
        tx, tg, tb, mean, var = (to(a.copy()) for a in (x, gamma, beta, *running))
        _, *moments = aten.native_batch_norm(tx, tg, tb, mean, var, True, 0.1, 1e-5)
        rest = (tg, mean, var, *moments, True, 1e-5, [True] * 3)
        gradient = to(dy)
        return lambda: aten.native_batch_norm_backward(gradient, tx, *rest)

    ours = functools.partial(batch_norm.forward, x, gamma, beta, **settings)
    yield Case(f"{name}, forward", lambda: ours()[0], forward, 3 * x.nbytes)
    yield Case(f"{name}, backward", lambda: batch_norm.backward(saved, dy, (True,) * 3), backward, 5 * x.nbytes)


def dense(batch: int, inputs: int, outputs: int) -> Iterator[Case]:
    """Linear layer."""
    rng = np.random.default_rng(0)
    x, w, b = normal(rng, (batch, inputs)), normal(rng, (outputs, inputs)), normal(rng, (outputs,))
    dy = normal(rng, (batch, outputs))
    _, saved = linear.forward(x, w, b)

    def forward(to: Convert) -> Call:
        tx, tw, tb = to(x), to(w), to(b)
        return lambda: aten.addmm(tb, tx, tw.t())

    def backward(to: Convert) -> Call:
        tx, tw, gradient = to(x), to(w), to(dy)
        return lambda: (gradient.mm(tw), gradient.t().mm(tx), gradient.sum(0))

    name, size = f"linear {inputs}→{outputs}", x.nbytes + w.nbytes + dy.nbytes
    yield Case(f"{name}, forward", lambda: linear.forward(x, w, b)[0], forward, size, ("PyTorch",))
    ours = functools.partial(linear.backward, saved, dy, (True,) * 3)
    yield Case(f"{name}, backward", ours, backward, size + x.nbytes + w.nbytes, ("PyTorch",))


def loss(batch: int, classes: int) -> Iterator[Case]:
    """Cross-entropy with its gradient."""
    rng = np.random.default_rng(0)
    x, labels = normal(rng, (batch, classes)), rng.integers(0, classes, batch)
    one = np.ones((), np.float32)

    def ours() -> Any:
        value, saved = cross_entropy.forward(x, target=labels)
        return value, cross_entropy.backward(saved, one, (True,))[0]

    def theirs(to: Convert) -> Call:
        tx, tt, dy = to(x), torch.from_numpy(labels), to(one)

        def both() -> Any:
            logp = aten._log_softmax(tx, 1, False)
            value, weight = aten.nll_loss_forward(logp, tt, None, 1, -100)
            dlogp = aten.nll_loss_backward(dy, logp, tt, None, 1, -100, weight)
            return value, aten._log_softmax_backward_data(dlogp, logp, 1, tx.dtype)

        return both

    yield Case(f"cross-entropy {classes} classes, both ways", ours, theirs, 2 * x.nbytes, ("PyTorch",))


def adam(model: str, shapes: tuple[tuple[int, ...], ...]) -> Case:
    """A step of Adam over a network's parameters."""
    rng = np.random.default_rng(0)
    start, grads = ([normal(rng, shape) for shape in shapes] for _ in range(2))
    params = [p.copy() for p in start]
    means, squares = ([np.zeros_like(p) for p in params] for _ in range(2))
    rule: dict[str, Any] = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    step = 0

    def ours() -> Any:
        nonlocal step
        step += 1
        optimizer.adam(params, grads, means, squares, step=step, **rule)
        return params

    def theirs(to: Convert) -> Call:
        tensors = [torch.nn.Parameter(to(p.copy())) for p in start]
        for tensor, gradient in zip(tensors, grads, strict=True):
            tensor.grad = to(gradient)
        fused = tensors[0].dtype == torch.float32  # PyTorch's fastest on a CPU; the truth takes the plain loop
        rule_of_torch = torch.optim.Adam(tensors, lr=1e-3, fused=fused)
        return lambda: (rule_of_torch.step(), [t.detach() for t in tensors])[1]

    return Case(f"Adam, {model}", ours, theirs, 7 * sum(p.nbytes for p in params), ("PyTorch fused",))


def images(rng: np.random.Generator, batch: int, channels: int, side: int) -> np.ndarray:
    """Random images (N, C, H, W), channels-last in memory."""
    return normal(rng, (batch, side, side, channels)).transpose(0, 3, 1, 2)


def converter(name: str) -> Convert:
    """Bring arrays to PyTorch in one of its memory formats."""

    def convert(array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.contiguous(memory_format=LAYOUTS[name]) if name in LAYOUTS and tensor.ndim == 4 else tensor

    return convert


def checked(what: str, value: Any, truth: Any) -> float:
    """Return the largest error among the results of a call; RuntimeError beyond the tolerance."""
    values, truths = (v if isinstance(v, tuple | list) else (v,) for v in (value, truth))
    errors = [rms_error(mine, np.asarray(right)) for mine, right in zip(values, truths, strict=True)]
    if not max(errors) <= TOLERANCE:
        raise RuntimeError(f"{what}: relative rms errors {errors} exceed {TOLERANCE:.0e}; nothing was timed")
    return max(errors)


def measure(probe: Probe, effort: Effort) -> list[dict[str, Any]]:
    """One row for each operation: ours beside the better of PyTorch's memory formats."""
    return [row(case, probe, effort) for case in track(list(cases())[: effort.most], "their neighbours")]


def row(case: Case, probe: Probe, effort: Effort) -> dict[str, Any]:
    """Check one operation, then time it."""
    truth = case.theirs(lambda array: torch.from_numpy(np.ascontiguousarray(array)).double())()
    calls = {"scratchconv": case.ours} | {name: case.theirs(converter(name)) for name in case.variants}
    errors = {name: checked(f"{case.name}, {name}", call(), truth) for name, call in calls.items()}
    timing = rounds({name: sampler(call, effort.sample_seconds) for name, call in calls.items()}, effort.rounds, probe)
    summary = timing.summary("scratchconv", case.variants)
    best = summary["best_other"]
    return {
        "operation": case.name,
        "error": float(f"{errors['scratchconv']:.2g}"),
        "error_other": float(f"{errors[best]:.2g}"),
        **summary,
        "other_ms": rounded(1e3 * timing.median(best)),
        "gbs": rounded(case.bytes / timing.median("scratchconv") / 1e9),
    }


def table(document: dict[str, Any]) -> Table:
    """Draw the rows."""
    result = Table(title="Around the convolutions, batch 100, one thread")
    for column in ("operation", "µs", "GB/s", "PyTorch, µs", "its best", "PyTorch / ours, median", "min"):
        result.add_column(column, justify="left" if column in ("operation", "its best") else "right")
    for line in document["neighbours"]:
        result.add_row(
            line["operation"],
            f"{1e3 * line['median_ms']:.1f}",
            f"{line['gbs']:.1f}",
            f"{1e3 * line['other_ms']:.1f}",
            line["best_other"],
            f"{line['ratio']['median']:.2f}",
            f"{line['ratio']['min']:.2f}",
        )
    return result
