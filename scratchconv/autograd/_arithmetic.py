"""Tensor operators and elementwise functions, with PyTorch's rules for mixing dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv.autograd._converting import Converting, common
from scratchconv.autograd._core import TensorCore
from scratchconv.autograd.dtypes import float32
from scratchconv.ops import matmul
from scratchconv.ops._op import Op
from scratchconv.ops.elementwise import (
    ABS,
    ADD,
    DIV,
    EXP,
    LOG,
    MAXIMUM,
    MUL,
    NEG,
    POW,
    RELU,
    SQRT,
    SUB,
    eq,
    ge,
    gt,
    le,
    lt,
    ne,
)

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


class Arithmetic(Converting):
    """Operators that broadcast, elementwise functions, and comparisons (whose results carry no gradient)."""

    __slots__ = ()
    __array_priority__ = 1000  # array + tensor is ours, not NumPy's
    __hash__ = object.__hash__  # == compares elements; as a key, a tensor is itself

    def _binary(self, op: Op, other: Any, swap: bool = False, floating: bool = False) -> Tensor:
        """Apply ``op`` to both operands in their common dtype, or decline an operand of a foreign type."""
        a: Any = self
        b = other
        own = a.data.dtype
        if own.kind == "f" and isinstance(b, (float, int)):
            b = np.array(b, own)
        elif floating or not isinstance(b, TensorCore) or own != b.data.dtype:
            pair = common(a, b, floating=floating)
            if pair is None:
                return NotImplemented  # type: ignore[no-any-return]  # Python's way to decline
            a, b = pair
        inputs = (b, a) if swap else (a, b)
        return self._apply(op, *inputs)

    def __add__(self, other: Any) -> Tensor:
        return self._binary(ADD, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tensor:
        _refuse_bools(self, other)
        return self._binary(SUB, other)

    def __rsub__(self, other: Any) -> Tensor:
        _refuse_bools(self, other)
        return self._binary(SUB, other, swap=True)

    def __mul__(self, other: Any) -> Tensor:
        return self._binary(MUL, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tensor:
        return self._binary(DIV, other, floating=True)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self._binary(DIV, other, swap=True, floating=True)

    def __pow__(self, other: Any) -> Tensor:
        return self._binary(POW, other)

    def __rpow__(self, other: Any) -> Tensor:
        return self._binary(POW, other, swap=True)

    def __matmul__(self, other: Any) -> Tensor:
        return self._apply(matmul, self, other) if isinstance(other, TensorCore) else NotImplemented

    def matmul(self, other: Tensor) -> Tensor:
        """Return the matrix product, batched over leading axes; a vector counts as a row or a column."""
        return self @ other

    def maximum(self, other: Any) -> Tensor:
        """Return the larger of two elements everywhere; where equal, each gets half the gradient."""
        return self._binary(MAXIMUM, other)

    # One operand

    def _unary(self, op: Op) -> Tensor:
        """Apply ``op``, to float32 if the elements are not floating."""
        return self._apply(op, self if self.data.dtype.kind == "f" else self.to(float32))

    def __neg__(self) -> Tensor:
        _refuse_bools(self)
        return self._apply(NEG, self)

    def abs(self) -> Tensor:
        """Return the elements without their sign."""
        return self._apply(ABS, self)

    __abs__ = abs

    def relu(self) -> Tensor:
        """Return ``max(x, 0)``."""
        return self._apply(RELU, self)

    def exp(self) -> Tensor:
        """Return ``e ** x``."""
        return self._unary(EXP)

    def log(self) -> Tensor:
        """Return the natural logarithm."""
        return self._unary(LOG)

    def sqrt(self) -> Tensor:
        """Return the square root."""
        return self._unary(SQRT)

    # Comparisons and masks

    def _compare(self, function: Callable[[Any, Any], Any], other: Any) -> Any:
        """Return a bool tensor without a history."""
        pair = common(self, other)
        if pair is None:
            return NotImplemented
        a, b = (x.data if isinstance(x, TensorCore) else x for x in pair)
        return self._wrap(function(a, b))

    def __eq__(self, other: object) -> Any:
        return self._compare(eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compare(ne, other)

    def __lt__(self, other: Any) -> Any:
        return self._compare(lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compare(le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(ge, other)

    def __and__(self, other: Any) -> Any:
        return self._compare(np.bitwise_and, other)

    def __or__(self, other: Any) -> Any:
        return self._compare(np.bitwise_or, other)

    def __invert__(self) -> Tensor:
        return self._wrap(np.invert(self.data))


def _refuse_bools(*operands: Any) -> None:
    """Raise RuntimeError if an operand of a subtraction is bool."""
    if any(isinstance(x, bool) or getattr(x, "dtype", None) == np.bool_ for x in operands):
        raise RuntimeError("bools cannot be subtracted or negated; use ~x for the opposite, or x.long() for 0 and 1")
