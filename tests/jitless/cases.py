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
)


def conv2d(make: Maker) -> Iterator[Case]:
    for g in CONVOLUTIONS:
        x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out(), g.filters)
        w = (*g.kernel, g.channels // g.groups, g.filters)
        how = (g.stride, g.padding, g.dilation, g.groups)
        image, weights, bias, dy = make.normal(*x), make.normal(*w), make.normal(g.filters), make.normal(*y)
        yield Case("forward", (image, weights, bias, *how), (make.poison(*y),))
        yield Case("input_grad", (dy, weights, *how), (make.poison(*x),))
        yield Case("weight_grad", (image, dy, *how), (make.poison(*w),))
        yield Case("bias_grad", (dy,), (make.poison(g.filters),))


def matmul(make: Maker) -> Iterator[Case]:
    for m, k, n in [(3, 4, 5), (7, 1, 17), (2, 0, 3), (0, 2, 2), (13, 9, 33)]:
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


# One entry for each folder of scratchconv/kernels; test_kernels.py fails if one is missing.
CASES: dict[str, Callable[[Maker], Iterator[Case]]] = {
    "conv2d": conv2d,
    "elementwise": elementwise,
    "matmul": matmul,
}
