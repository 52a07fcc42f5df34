"""Elementwise operations, broadcasting as NumPy and PyTorch do: the derivatives are in kernels/elementwise/README.md.

Floating arrays go through the kernels; integers and bools, which have no gradients, through NumPy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.elementwise import naive as code
from scratchconv.kernels.elementwise import vector
from scratchconv.ops._broadcast import common_shape
from scratchconv.ops._op import Array, hollow, is_floating
from scratchconv.ops._pointwise import binary, unary
from scratchconv.ops.reduction import sum_to

__all__ = [
    "ABS",
    "ADD",
    "DIV",
    "EXP",
    "LOG",
    "MAXIMUM",
    "MUL",
    "NEG",
    "POW",
    "RELU",
    "SQRT",
    "SUB",
    "eq",
    "ge",
    "gt",
    "le",
    "lt",
    "ne",
]

Needs = tuple[bool, ...]
Gradients = tuple[Array | None, ...]


class Shapes(NamedTuple):
    """What the backward pass of a sum needs."""

    x: tuple[int, ...]
    y: tuple[int, ...]


class Operands(NamedTuple):
    """Both operands."""

    x: Array
    y: Array


class Power(NamedTuple):
    """Base, exponent, and the result."""

    x: Array
    y: Array
    out: Array


class One(NamedTuple):
    """The one array that a function's derivative is written with: its operand or its result."""

    array: Array


class Nothing(NamedTuple):
    """For an operation that keeps nothing."""


class _Binary:
    """Name, kernel code, and the function for integers."""

    def __init__(self, name: str, number: int, ufunc: np.ufunc) -> None:
        self.name = name
        self.number = number
        self.ufunc = ufunc

    def _result(self, x: Array, y: Array) -> Array:
        if is_floating(x):
            return binary(self.number, self.name, x, y)
        common_shape(self.name, x.shape, y.shape)
        try:
            return np.asarray(self.ufunc(x, y))
        except (TypeError, ValueError) as error:
            raise RuntimeError(f"{self.name} of {x.dtype} {x.shape} and {y.dtype} {y.shape}: {error}") from error


class _Sum(_Binary):
    """``x + y`` or ``x - y``: the gradient passes through."""

    def forward(self, x: Array, y: Array) -> tuple[Array, Shapes]:
        return self._result(x, y), Shapes(x.shape, y.shape)

    def backward(self, saved: Shapes, dy: Array, needs: Needs) -> Gradients:
        dx = sum_to(dy, saved.x) if needs[0] else None
        if not needs[1]:
            return dx, None
        other = sum_to(dy, saved.y)
        return dx, other if self.number == code.ADD else unary(code.NEG, self.name, other)


class _Product(_Binary):
    """``x * y``."""

    def forward(self, x: Array, y: Array) -> tuple[Array, Operands]:
        return self._result(x, y), Operands(x, y)

    def backward(self, saved: Operands, dy: Array, needs: Needs) -> Gradients:
        x, y = saved
        return (
            sum_to(binary(code.MUL, self.name, dy, y), x.shape) if needs[0] else None,
            sum_to(binary(code.MUL, self.name, dy, x), y.shape) if needs[1] else None,
        )

    def keep(self, saved: Operands, needs: Needs) -> Operands:
        """Each gradient is made of the other operand."""
        x, y = saved
        return Operands(x if needs[1] else hollow(x), y if needs[0] else hollow(y))


class _Quotient(_Binary):
    """``x / y``."""

    def forward(self, x: Array, y: Array) -> tuple[Array, Operands]:
        return self._result(x, y), Operands(x, y)

    def backward(self, saved: Operands, dy: Array, needs: Needs) -> Gradients:
        x, y = saved
        along_x = binary(code.DIV, self.name, dy, y)
        dx = sum_to(along_x, x.shape) if needs[0] else None
        if not needs[1]:
            return dx, None
        along_y = binary(code.NEG_MUL, self.name, along_x, binary(code.DIV, self.name, x, y))
        return dx, sum_to(along_y, y.shape)

    def keep(self, saved: Operands, needs: Needs) -> Operands:
        """The divisor is always needed, the dividend for the divisor's gradient."""
        return saved if needs[1] else Operands(hollow(saved.x), saved.y)


class _Power(_Binary):
    """``x ** y``."""

    def forward(self, x: Array, y: Array) -> tuple[Array, Power]:
        squared = y.ndim == 0 and is_floating(y) and y == 2
        out = binary(code.MUL, self.name, x, x) if squared and x.dtype == y.dtype else self._result(x, y)
        return out, Power(x, y, out)

    def backward(self, saved: Power, dy: Array, needs: Needs) -> Gradients:
        x, y, out = saved
        dx = along_y = None
        if needs[0]:
            slope = binary(code.POW_SLOPE, self.name, x, y)
            dx = sum_to(binary(code.MUL, self.name, dy, slope), x.shape)
        if needs[1]:
            slope = binary(code.LOG_MUL, self.name, x, out)
            along_y = sum_to(binary(code.MUL, self.name, dy, slope), y.shape)
        return dx, along_y

    def keep(self, saved: Power, needs: Needs) -> Power:
        """The result is needed for the exponent's gradient only."""
        return saved if needs[1] else saved._replace(out=hollow(saved.out))


class _Maximum(_Binary):
    """``max(x, y)``, NaN if either is; where both are equal, each gets half of the gradient."""

    def forward(self, x: Array, y: Array) -> tuple[Array, Operands]:
        return self._result(x, y), Operands(x, y)

    def backward(self, saved: Operands, dy: Array, needs: Needs) -> Gradients:
        x, y = saved
        gradients: list[Array | None] = [None, None]
        for i, (own, other) in enumerate(((x, y), (y, x))):
            if needs[i]:
                share = binary(code.SHARE, self.name, own, other)
                gradients[i] = sum_to(binary(code.MUL, self.name, dy, share), own.shape)
        return tuple(gradients)


class _Function:
    """A function of one operand: ``dx = derivative(dy, a)``, where a is the result or else the operand."""

    def __init__(self, name: str, number: int, derivative: int, by_result: bool) -> None:
        self.name = name
        self.number = number
        self.derivative = derivative
        self.by_result = by_result

    def forward(self, x: Array) -> tuple[Array, One]:
        out = unary(self.number, self.name, x)
        return out, One(out if self.by_result else x)

    def backward(self, saved: One, dy: Array, needs: Needs) -> Gradients:
        return (binary(self.derivative, self.name, dy, saved.array) if needs[0] else None,)


class _Absolute(_Function):
    """``abs x``, of integers too."""

    def forward(self, x: Array) -> tuple[Array, One]:
        return super().forward(x) if is_floating(x) else (np.abs(x), One(x))


class _Relu(_Function):
    """``max(x, 0)``: NaN stays NaN, and the gradient at 0 is 0."""

    def forward(self, x: Array, *, inplace: bool = False) -> tuple[Array, One]:
        """Return max(x, 0), with ``inplace`` in the memory of ``x``."""
        if inplace and is_floating(x):
            memory = x.ravel(order="K")
            if np.may_share_memory(memory, x):  # not a copy: x has no holes
                vector.unary(self.number, memory, memory)
                return x, One(x)
        out = unary(self.number, self.name, x) if is_floating(x) else np.maximum(x, 0)
        if inplace:
            x[...] = out
            out = x
        return out, One(out)


class _Negative:
    """``-x``."""

    name = "neg"

    def forward(self, x: Array) -> tuple[Array, Nothing]:
        return (unary(code.NEG, self.name, x) if is_floating(x) else np.negative(x)), Nothing()

    def backward(self, saved: Nothing, dy: Array, needs: Needs) -> Gradients:
        return (unary(code.NEG, self.name, dy) if needs[0] else None,)


ADD = _Sum("add", code.ADD, np.add)
SUB = _Sum("sub", code.SUB, np.subtract)
MUL = _Product("mul", code.MUL, np.multiply)
DIV = _Quotient("div", code.DIV, np.true_divide)
POW = _Power("pow", code.POW, np.power)
MAXIMUM = _Maximum("maximum", code.MAXIMUM, np.maximum)
NEG = _Negative()
EXP = _Function("exp", code.EXP, code.MUL, by_result=True)
LOG = _Function("log", code.LOG, code.DIV, by_result=False)
SQRT = _Function("sqrt", code.SQRT, code.SQRT_GRADIENT, by_result=True)
ABS = _Absolute("abs", code.ABS, code.ABS_GRADIENT, by_result=False)
RELU = _Relu("relu", code.RELU, code.RELU_GRADIENT, by_result=True)


def _compare(ufunc: np.ufunc, name: str, x: Any, y: Any) -> Array:
    common_shape(name, np.shape(x), np.shape(y))
    return np.asarray(ufunc(x, y))


def eq(x: Any, y: Any) -> Array:
    """Return where ``x == y``."""
    return _compare(np.equal, "eq", x, y)


def ne(x: Any, y: Any) -> Array:
    """Return where ``x != y``."""
    return _compare(np.not_equal, "ne", x, y)


def lt(x: Any, y: Any) -> Array:
    """Return where ``x < y``."""
    return _compare(np.less, "lt", x, y)


def le(x: Any, y: Any) -> Array:
    """Return where ``x <= y``."""
    return _compare(np.less_equal, "le", x, y)


def gt(x: Any, y: Any) -> Array:
    """Return where ``x > y``."""
    return _compare(np.greater, "gt", x, y)


def ge(x: Any, y: Any) -> Array:
    """Return where ``x >= y``."""
    return _compare(np.greater_equal, "ge", x, y)
