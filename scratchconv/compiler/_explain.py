"""What a plan does, measured: a row for each of its kernels, forward and backward."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from scratchconv import nn
from scratchconv.compiler._ceiling import ceiling
from scratchconv.compiler._graph import Value
from scratchconv.compiler._heads import LinearStep
from scratchconv.compiler._plan import Plan, Step
from scratchconv.compiler._shapes import hollow_of
from scratchconv.compiler._steps import ConvStep
from scratchconv.ops import conv2d, fused_conv
from scratchconv.ops import linear as linear_op
from scratchconv.ops._op import Array

WIDTH = 160  # columns of a table that is no terminal's
ROUNDS = 5  # the fastest counts: other processes only ever add time


class Row(NamedTuple):
    """One kernel of a plan, in one direction."""

    way: str  # "forward" or "backward"
    operations: str  # what runs as one
    shapes: str
    algorithm: str
    flop: int  # multiplications and additions, as the definition counts them
    moved: int  # bytes read and written if each array is touched once
    seconds: float
    share: float  # of the roofline: the time that arithmetic or memory cannot do without, by the time taken


def rows(plan: Plan, model: nn.Module) -> list[Row]:
    """Run ``plan`` a few times on random numbers and account for each step; the model's buffers stay as they are."""
    before = [(buffer, buffer.data.copy()) for buffer in model.buffers()]
    times: dict[tuple[str, Step], float] = {}

    def watch(step: Step, way: str, seconds: float) -> None:
        times[way, step] = min(seconds, times.get((way, step), math.inf))

    try:
        plan.watch = watch
        for _ in range(ROUNDS):
            _run_once(plan)
    finally:
        plan.watch = None
        for buffer, data in before:
            buffer.data[...] = data
    return [_row(plan, way, step, seconds) for (way, step), seconds in times.items()]


def show(found: list[Row], console: Console | None = None) -> None:
    """Print ``found`` as a table, with the sum of all times below."""
    limit = ceiling()
    title = f"{limit.flops / 1e9:.0f} GFLOP/s of multiply-adds, {limit.bandwidth / 1e9:.0f} GB/s of copying at most"
    table = Table(title=title)
    for name in ("", "kernel", "shapes (N, C, H, W)", "algorithm"):
        table.add_column(name)
    for name in ("MFLOP", "MB", "ms", "roofline"):
        table.add_column(name, justify="right")
    for row in found:
        work = f"{row.flop / 1e6:.1f}", f"{row.moved / 1e6:.2f}", f"{1e3 * row.seconds:.3f}", f"{row.share:.0%}"
        table.add_row(row.way, row.operations, row.shapes, row.algorithm, *work)
    total = sum(row.seconds for row in found)
    table.add_section()
    flop, moved = sum(row.flop for row in found), sum(row.moved for row in found)
    share = limit.share(flop, moved, total)
    table.add_row("", "all", "", "", f"{flop / 1e6:.1f}", f"{moved / 1e6:.2f}", f"{1e3 * total:.3f}", f"{share:.0%}")
    if console is None:
        console = Console()
        if not console.is_terminal:  # a file has no width; rich takes 80 columns, which break every name
            console = Console(width=WIDTH)
    console.print(table)


def _run_once(plan: Plan) -> None:
    """Forward, and backward if the plan has a gradient."""
    random = np.random.default_rng(0)
    arguments = [_numbers(random, value) for value in plan.graph.inputs]
    arrays = [*arguments, *[leaf.data for leaf in plan.leaves]]
    recording = plan.graph.output.needs_grad
    y, saved = plan.forward(*arrays, recording=recording)
    if recording:
        plan.backward(saved, np.ones(y.shape, y.dtype), tuple(value.needs_grad for value in plan.inputs))


def _numbers(random: np.random.Generator, value: Value) -> Array:
    """Return an argument like the one that was traced; integers are zeros, which any index or label may be."""
    if value.dtype.kind != "f":
        return np.zeros(value.shape, value.dtype)
    return random.standard_normal(value.shape).astype(value.dtype)


def _row(plan: Plan, way: str, step: Step, seconds: float) -> Row:
    """Account for one step."""
    operations, algorithm = _name(step.node.op), "as in eager"
    if isinstance(step, ConvStep):
        operations, algorithm = _fused(step, way)
    elif isinstance(step, LinearStep) and step.image is not None:
        operations = "view + linear"
    output = step.chain.value if isinstance(step, ConvStep) and step.chain is not None else step.node.output
    inputs = [value for value in step.node.inputs if isinstance(value, Value)]
    flop, moved = _work(step, way, inputs)
    shapes = f"{_shape(inputs[0]) if inputs else ''} → {_shape(output)}"
    return Row(way, operations, shapes, algorithm, flop, moved, seconds, ceiling().share(flop, moved, seconds))


def _fused(step: ConvStep, way: str) -> tuple[str, str]:
    """Describe what runs with a convolution, and the algorithms of the convolution."""
    kernel = "×".join(str(size) for size in step.weight.shape[2:])
    parts = [f"conv {kernel}", *(["batch_norm"] if step.norm is not None else [])]
    if step.chain is not None:
        activation = step.chain.activation
        if step.chain.convolutions[0] is step:
            parts += [*(["skip"] if activation.skip is not None or len(activation.branches) > 1 else []), "relu"]
            parts += ["max_pool2d"] if activation.pooled else []
    filters, channels, height, width = step.weight.shape
    w = height, width, channels, filters
    of_y = _name(fused_conv.algorithm_for(w, step.geometry, _pixels(step.node.output)))
    if way == "forward":
        return " + ".join(parts), of_y
    x = step.node.inputs[0]
    of_x = _name(fused_conv.algorithm_for(w, step.geometry, _pixels(x)))
    wanted = [f"dw {of_y}"] if step.weight.needs_grad else []
    return " + ".join(parts), ", ".join([*wanted, *([f"dx {of_x}"] if x.needs_grad else [])])


def _work(step: Step, way: str, inputs: list[Value]) -> tuple[int, int]:
    """Return FLOPs and bytes of a step; on the way back, those of each of x and w that has a gradient."""
    node = step.node
    output = math.prod(node.output.shape)
    moved = sum(_bytes(value) for value in [*inputs, node.output])
    flop = output
    if node.op is conv2d or node.op is linear_op:
        flop = 2 * output * math.prod(node.inputs[1].shape[1:])
    if way == "backward":
        sent = [value for value in inputs if value.needs_grad]
        moved += sum(_bytes(value) for value in sent)
        flop *= sum(value.needs_grad for value in inputs[:2])
    return flop, moved


def _pixels(value: Value) -> Array:
    """Return an array without contents in the memory order of a value, (N, H, W, C)."""
    pixels: Array = hollow_of(value).transpose(0, 2, 3, 1)
    return pixels


def _bytes(value: Value) -> int:
    return math.prod(value.shape) * value.dtype.itemsize


def _shape(value: Value) -> str:
    return "(" + ", ".join(str(size) for size in value.shape) + ")"


def _name(op: Any) -> str:
    """The name of an operation or of an algorithm's module."""
    name = getattr(op, "name", None) or getattr(op, "__name__", type(op).__name__)
    return str(name).rpartition(".")[2]
