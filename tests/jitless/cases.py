"""Tiny calls of every kernel: each function of each operation's contract, with tails, padding, groups and empties."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.elementwise import naive as elementwise_numbers


class Case(NamedTuple):
    """One call: ``function(*inputs, *outputs)``, which writes the outputs."""

    function: str
    inputs: tuple[Any, ...]
    outputs: tuple[np.ndarray, ...]
    kind: str = ""  # what an algorithm of limited use looks for


class Maker:
    """Draws reproducible arrays of one dtype."""

    def __init__(self, dtype: type) -> None:
        self.dtype = dtype
        self.rng = np.random.default_rng(0)

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.5, 2.0, shape).astype(self.dtype)

    def poison(self, *shape: int, dtype: type | None = None) -> np.ndarray:
        """An output to be written: NaN, or -1 for integers, stays wherever a kernel forgets to write."""
        dtype = dtype or self.dtype
        return np.full(shape, np.nan if np.issubdtype(dtype, np.floating) else -1, dtype)


class Geometry(NamedTuple):
    """A convolution or a pooling: everything that decides its shapes."""

    batch: int
    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    filters: int = 0
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def out(self) -> tuple[int, int]:
        """Height and width of the output."""
        size, kernel, stride, padding, dilation = self.size, self.kernel, self.stride, self.padding, self.dilation
        h, w = ((size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
        return h, w


CONVOLUTIONS = (
    Geometry(2, (5, 6), 3, (3, 2), 5, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    Geometry(1, (4, 4), 4, (3, 3), 6, padding=(1, 1), groups=2),
    Geometry(1, (5, 4), 3, (2, 2), 3, stride=(2, 2), padding=(0, 1), groups=3),
    Geometry(0, (3, 3), 2, (1, 1), 9),
    Geometry(1, (3, 3), 2, (1, 1), 18),
    Geometry(1, (9, 3), 5, (2, 2), 5, groups=5),
    Geometry(1, (3, 3), 17, (2, 2), 17, groups=17),
    Geometry(1, (2, 2), 1, (3, 3), 2, padding=(1, 1)),
    Geometry(1, (2, 3), 512, (1, 2), 2, padding=(0, 1)),  # a pixel of 2 KiB in float32
    Geometry(1, (3, 17), 2, (2, 3), 3, padding=(1, 1)),  # rows: a tile of pixels and an overlapping one
    Geometry(2, (1, 14), 1, (1, 5), 8, padding=(0, 2)),
    Geometry(2, (5, 6), 3, (3, 3), 18, padding=(1, 1)),  # winograd: tiles that do not fit, two panels or a tail
    Geometry(1, (4, 4), 66, (3, 3), 1, padding=(2, 0)),  # more channels than the larger tiles are exact for
    Geometry(1, (5, 3), 1, (5, 5), 2, padding=(1, 2)),
    Geometry(0, (3, 3), 2, (3, 3), 2),
    Geometry(2, (3, 18), 3, (3, 3), 5, stride=(2, 2), padding=(1, 1)),  # and with stride 2: whole tiles, and some cut
    Geometry(1, (2, 3), 17, (3, 3), 33, stride=(2, 2), padding=(1, 1)),
    Geometry(0, (4, 4), 2, (3, 3), 2, stride=(2, 2), padding=(1, 1)),
    Geometry(2, (5, 6), 3, (3, 3), 17, padding=(2, 3), dilation=(2, 3)),  # dilated: phases of unequal sizes
    Geometry(0, (5, 5), 2, (3, 3), 2, padding=(2, 2), dilation=(2, 2)),
)
ROWS, WINOGRAD, DILATED = CONVOLUTIONS[9:11], CONVOLUTIONS[11:18], CONVOLUTIONS[18:]


def conv2d(make: Maker) -> Iterator[Case]:
    for g in CONVOLUTIONS:
        x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out(), g.filters)
        w = (*g.kernel, g.channels // g.groups, g.filters)
        how = (g.stride, g.padding, g.dilation, g.groups)
        kind = "depthwise" if g.groups == g.channels == g.filters else "rows" if g in ROWS else ""
        kinds = {"winograd": WINOGRAD, "dilated": DILATED}
        kind = next((name for name, its in kinds.items() if g in its), kind)
        image, weights, bias, dy = make.normal(*x), make.normal(*w), make.normal(g.filters), make.normal(*y)
        yield Case("forward", (image, weights, bias, *how), (make.poison(*y),), kind)
        yield Case("input_grad", (dy, weights, *how), (make.poison(*x),), kind)
        yield Case("weight_grad", (image, dy, *how), (make.poison(*w),), kind)
        yield Case("bias_grad", (dy,), (make.poison(g.filters),), kind)


def matmul(make: Maker) -> Iterator[Case]:
    for m, k, n in [(3, 4, 5), (7, 1, 17), (2, 0, 3), (0, 2, 2), (13, 9, 33), (2, 40, 3)]:
        for ta, tb in [(False, False), (True, False), (False, True)]:
            a, b = make.normal(*((k, m) if ta else (m, k))), make.normal(*((n, k) if tb else (k, n)))
            yield Case("matmul", (a, b, ta, tb), (make.poison(m, n),))
            yield Case("matmul_bias", (a, b, ta, tb, make.normal(n)), (make.poison(m, n),))


def elementwise(make: Maker) -> Iterator[Case]:
    e = elementwise_numbers
    for n in (0, 3, 37):
        for op in (e.NEG, e.ABS, e.RELU, e.EXP):
            yield Case("unary", (op, make.normal(n)), (make.poison(n),))
        for op in (e.SQRT, e.LOG):
            yield Case("unary", (op, make.positive(n)), (make.poison(n),))
    for shape, x_strides, y_strides in [((19,), (1,), (1,)), ((3, 17), (17, 1), (0, 1)), ((4, 5), (0, 1), (1, 0))]:
        strides = [np.array(values, np.int64) for values in (shape, x_strides, y_strides)]
        size = int(np.prod(shape))
        for op in range(13):
            yield Case("binary", (op, make.positive(size), make.positive(size), *strides), (make.poison(size),))


POOLINGS = (
    Geometry(2, (5, 6), 5, (3, 2), stride=(2, 1), padding=(1, 1)),
    Geometry(1, (4, 4), 17, (2, 2), stride=(2, 2)),
    Geometry(2, (5, 7), 17, (2, 2), stride=(2, 2)),  # a last row and column in no window
    Geometry(0, (4, 4), 3, (2, 2), stride=(2, 2)),
)
DILATED_POOLINGS = (Geometry(1, (6, 7), 9, (2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 2)),)


def max_pool2d(make: Maker) -> Iterator[Case]:
    for g in POOLINGS + DILATED_POOLINGS:
        x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out(), g.channels)
        how = (g.kernel, g.stride, g.padding, g.dilation)
        image = np.round(make.normal(*x))  # few values: ties in most windows
        yield Case("forward", (image, *how), (make.poison(*y),))
        yield Case("backward", (image, make.normal(*y), *how), (make.poison(*x),))


def avg_pool2d(make: Maker) -> Iterator[Case]:
    for g in POOLINGS:
        for count_padding, divisor in [(True, 0), (False, 0), (True, 3)]:
            x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out(), g.channels)
            how = (g.kernel, g.stride, g.padding, count_padding, divisor)
            yield Case("forward", (make.normal(*x), *how), (make.poison(*y),))
            yield Case("backward", (make.normal(*y), *how), (make.poison(*x),))


def batch_norm(make: Maker) -> Iterator[Case]:
    for rows, columns in [(1, 3), (7, 5), (13, 17), (130, 3), (9, 64)]:
        x, dy = make.normal(rows, columns), make.normal(rows, columns)
        a, b, c, d = (make.rng.standard_normal(columns) for _ in range(4))
        sums = make.poison(columns, dtype=np.float64), make.poison(columns, dtype=np.float64)
        yield Case("moments", (x,), sums)
        yield Case("normalize", (x, a, b, c), (make.poison(rows, columns),))
        yield Case("gradient_sums", (x, a, dy), sums)
        yield Case("input_gradient", (x, a, dy, b, c, d), (make.poison(rows, columns),))


def reduction(make: Maker) -> Iterator[Case]:
    for outer, rows, inner in [(1, 9, 1), (3, 4, 5), (2, 37, 1), (1, 2, 19), (0, 3, 2)]:
        x, out = make.normal(outer, rows, inner), make.poison(outer, inner)
        indices = make.poison(outer, inner, dtype=np.int64)
        yield Case("total", (x, 0.5), (out,))
        yield Case("variance", (x, x.mean(1), 1), (out,))
        yield Case("argmax", (np.round(x),), (out, indices))


def linear(make: Maker) -> Iterator[Case]:
    for n, c, f in [(3, 5, 4), (7, 17, 19), (0, 3, 2)]:
        x, w, dy = make.normal(n, c), make.normal(f, c), make.normal(n, f)
        yield Case("forward", (x, w, make.normal(f)), (make.poison(n, f),))
        yield Case("input_gradient", (dy, w), (make.poison(n, c),))
        yield Case("weight_gradient", (dy, x), (make.poison(f, c),))
        yield Case("bias_gradient", (dy,), (make.poison(f),))


def cross_entropy(make: Maker) -> Iterator[Case]:
    for rows, classes in [(3, 10), (5, 1), (2, 19), (0, 4)]:
        x, dy, weight = make.normal(rows, classes), make.normal(rows, classes), make.positive(classes)
        probabilities = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        logp, scale = np.log(probabilities), make.rng.standard_normal(rows)
        target, ignored = make.rng.integers(0, classes, rows), -100
        target[:1] = ignored
        out, single = make.poison(rows, classes), make.rng.standard_normal(1)
        losses, totals = make.poison(rows, dtype=np.float64), make.poison(3, dtype=np.float64)
        yield Case("log_softmax", (x,), (out,))
        yield Case("softmax", (x,), (out,))
        yield Case("log_softmax_gradient", (logp, dy), (out,))
        yield Case("softmax_gradient", (probabilities, dy), (out,))
        for smoothing in (0.0, 0.1):
            yield Case("loss", (x, target, weight, ignored, smoothing), (out, losses, totals))
            for factor in (scale, single):
                yield Case("loss_gradient", (logp, target, weight, ignored, smoothing, factor), (out,))


def optimizer(make: Maker) -> Iterator[Case]:
    for n in (0, 3, 21):
        grad, param, buffer = make.normal(n), make.normal(n), make.normal(n)
        yield Case("sgd", (grad, 0.1, 0.0, 0.0, False, 0.01, False, np.empty(0, make.dtype)), (param,))
        for first, nesterov in [(True, False), (False, True), (False, False)]:
            yield Case("sgd", (grad, 0.1, 0.9, 0.2 * (not nesterov), nesterov, 0.01, first), (buffer, param))
        for step in (1, 7):
            yield Case("adam", (grad, step, 0.1, 0.9, 0.999, 1e-8, 0.01), (buffer, make.positive(n), param))


# One entry for each folder of scratchconv/kernels; test_kernels.py fails if one is missing.
CASES: dict[str, Callable[[Maker], Iterator[Case]]] = {
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "conv2d": conv2d,
    "cross_entropy": cross_entropy,
    "elementwise": elementwise,
    "linear": linear,
    "matmul": matmul,
    "max_pool2d": max_pool2d,
    "optimizer": optimizer,
    "reduction": reduction,
}
