"""Tensor operators and elementwise functions, with PyTorch's rules for mixing dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv.autograd._converting import common
from scratchconv.autograd._core import TensorCore
from scratchconv.autograd.dtypes import float32
from scratchconv.ops import matmul
from scratchconv.ops._op import Op
from scratchconv.ops.elementwise import ABS, ADD, DIV, EXP, LOG, MAXIMUM, MUL, NEG, POW, RELU, SQRT, SUB

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


class Arithmetic(TensorCore):
    """Operators that broadcast, elementwise functions, and comparisons (whose results carry no gradient)."""

    __slots__ = ()
    __array_priority__ = 1000  # array + tensor is ours, not NumPy's
    __hash__ = object.__hash__  # == compares elements; as a key, a tensor is itself

    def to(self, dtype: Any) -> Tensor:
        raise NotImplementedError

    def _binary(self, op: Op, other: Any, swap: bool = False, floating: bool = False) -> Tensor:
        """Apply ``op`` to both operands in their common dtype, or decline an operand of a foreign type."""
        a, b = self, other
        if floating or not isinstance(b, TensorCore) or a.data.dtype != b.data.dtype:
            pair = common(a, b, floating=floating)
            if pair is None:
                return NotImplemented
            a, b = pair
        return self._apply(op, b, a) if swap else self._apply(op, a, b)

    def __add__(self, other: Any) -> Tensor:
        return self._binary(ADD, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tensor:
        return self._binary(SUB, other)

    def __rsub__(self, other: Any) -> Tensor:
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
        if not isinstance(other, TensorCore):
            return NotImplemented
        if self.data.dtype != other.data.dtype:
            raise RuntimeError(f"@ needs one dtype on both sides, got {self.data.dtype} and {other.data.dtype}")
        return self._apply(matmul, self, other)

    def matmul(self, other: Tensor) -> Tensor:
        """Return the matrix product, batched over leading axes; vectors count as a row or a column."""
        return self @ other

    def maximum(self, other: Any) -> Tensor:
        """Return the larger of two elements everywhere; where equal, each gets half the gradient."""
        return self._binary(MAXIMUM, other)

    # One operand

    def _unary(self, op: Op) -> Tensor:
        """Apply ``op``, to float32 if the elements are not floating."""
        return self._apply(op, self if self.data.dtype.kind == "f" else self.to(float32))

    def __neg__(self) -> Tensor:
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
        try:
            return self._wrap(function(a, b))
        except ValueError as error:
            raise RuntimeError(f"shapes {a.shape} and {b.shape} do not broadcast") from error

    def __eq__(self, other: object) -> Any:
        return self._compare(np.equal, other)

    def __ne__(self, other: object) -> Any:
        return self._compare(np.not_equal, other)

    def __lt__(self, other: Any) -> Any:
        return self._compare(np.less, other)

    def __le__(self, other: Any) -> Any:
        return self._compare(np.less_equal, other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(np.greater, other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(np.greater_equal, other)

    def __and__(self, other: Any) -> Any:
        return self._compare(np.bitwise_and, other)

    def __or__(self, other: Any) -> Any:
        return self._compare(np.bitwise_or, other)

    def __invert__(self) -> Tensor:
        return self._wrap(np.invert(self.data))
