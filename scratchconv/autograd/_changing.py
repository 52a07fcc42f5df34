"""Tensor methods that change elements in place; gradients flow through those of them that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv.autograd._converting import Converting
from scratchconv.autograd._core import TensorCore, record_in_place
from scratchconv.autograd.dtypes import KINDS, result_type
from scratchconv.ops._op import Op
from scratchconv.ops.elementwise import DIV, MUL, POW, RELU
from scratchconv.ops.indexing import SETITEM
from scratchconv.ops.inplace import ADD_IN_PLACE, SUB_IN_PLACE, InPlace

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor

MUL_IN_PLACE = InPlace(MUL, "mul")
DIV_IN_PLACE = InPlace(DIV, "div")
POW_IN_PLACE = InPlace(POW, "pow")


class Changing(Converting):
    """In-place changes.

    All raise RuntimeError on a leaf that requires a gradient (outside ``no_grad``), where the result would have another
    shape or a higher kind of dtype, and, in the backward pass, where the change overwrote what another operation saved.
    """

    __slots__ = ()

    def _change(self, op: Op, *others: Any) -> Tensor:
        """Run an in-place operation with the operands cast to this tensor's dtype."""
        record_in_place(self, op, [self._fitting(other) for other in others], {})
        return self  # type: ignore[return-value]

    def _fitting(self, other: Any) -> Any:
        """Return ``other`` in this tensor's dtype."""
        own = self.data.dtype
        value = other.data if isinstance(other, TensorCore) else other
        found = result_type(self.data, value.item() if isinstance(value, np.generic) else value)
        if KINDS[found.kind] > KINDS[own.kind]:
            raise RuntimeError(f"a result of dtype {found} cannot be written into a tensor of dtype {own}")
        if isinstance(other, TensorCore):
            return other.to(own)  # type: ignore[attr-defined]
        return np.asarray(other, own)

    def __iadd__(self, other: Any) -> Tensor:
        return self._change(ADD_IN_PLACE, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._change(SUB_IN_PLACE, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._change(MUL_IN_PLACE, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self.div_(other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._change(POW_IN_PLACE, other)

    def add_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """Add ``alpha * other``."""
        return self._change(ADD_IN_PLACE, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """Subtract ``alpha * other``."""
        return self._change(SUB_IN_PLACE, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> Tensor:
        """Multiply by ``other``."""
        return self._change(MUL_IN_PLACE, other)

    def div_(self, other: Any) -> Tensor:
        """Divide by ``other``."""
        if self.data.dtype.kind != "f":
            raise RuntimeError(f"the quotient is floating and cannot be written into a tensor of {self.data.dtype}")
        return self._change(DIV_IN_PLACE, other)

    def relu_(self) -> Tensor:
        """Replace negative elements by 0."""
        record_in_place(self, RELU, (), {"inplace": True})
        return self  # type: ignore[return-value]

    def copy_(self, source: Any) -> Tensor:
        """Take over the elements of ``source``, which broadcasts and is cast to this tensor's dtype."""
        value = source if isinstance(source, TensorCore) else np.asarray(source, self.data.dtype)
        record_in_place(self, SETITEM, (value,), {"index": ...})
        return self  # type: ignore[return-value]

    def fill_(self, value: float) -> Tensor:
        """Set every element to ``value``."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to 0."""
        return self.copy_(0)
