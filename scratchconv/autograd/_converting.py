"""Tensor methods that copy, cast, or leave the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv.autograd import dtypes, modes
from scratchconv.autograd._core import TensorCore
from scratchconv.ops._op import Array
from scratchconv.ops.convert import CAST, CLONE, CONTIGUOUS

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


def common(*operands: Any, floating: bool = False) -> list[Any] | None:
    """Return tensors, arrays and numbers cast to their common dtype, or None if one is of another type.

    ``floating`` makes that dtype float32 where it would be an integer or bool.
    """
    values = [x.data if isinstance(x, TensorCore) else x.item() if isinstance(x, np.generic) else x for x in operands]
    if not all(isinstance(value, (np.ndarray, float, int)) for value in values):
        return None
    dtype = dtypes.result_type(*values)
    if floating and dtype.kind != "f":
        dtype = dtypes.float32
    return [_cast(x, dtype) for x in operands]


def _cast(x: Any, dtype: dtypes.DType) -> Any:
    """Return ``x`` in ``dtype``: a tensor as a tensor (recorded), anything else as an array."""
    return x.to(dtype) if isinstance(x, Converting) else np.asarray(x, dtype)


class Converting(TensorCore):
    """Copies and casts, which gradients flow through, and ways out to NumPy and Python numbers."""

    __slots__ = ()

    def to(self, dtype: Any) -> Tensor:
        """Return the elements in ``dtype`` (the tensor itself if it has that dtype)."""
        wanted = np.dtype(dtype)
        return self if wanted == self.data.dtype else self._apply(CAST, self, dtype=wanted)  # type: ignore[return-value]

    astype = to

    def float(self) -> Tensor:
        """Return the elements as float32."""
        return self.to(dtypes.float32)

    def double(self) -> Tensor:
        """Return the elements as float64."""
        return self.to(dtypes.float64)

    def long(self) -> Tensor:
        """Return the elements as int64, cut towards zero."""
        return self.to(dtypes.int64)

    def bool(self) -> Tensor:
        """Return where the elements are not zero."""
        return self.to(dtypes.bool)

    def clone(self) -> Tensor:
        """Return a copy with the same memory order."""
        return self._apply(CLONE, self)

    def contiguous(self) -> Tensor:
        """Return the elements in row-major memory, copied if need be."""
        return self._apply_view(CONTIGUOUS, self)

    def numpy(self) -> Array:
        """Return the array itself, sharing memory.

        Raises
        ------
        RuntimeError
            If the tensor requires a gradient (changes would not be recorded): call ``detach()`` first.
        """
        if self._requires_grad:
            raise RuntimeError("numpy() on a tensor that requires grad; use tensor.detach().numpy()")
        if (tracer := modes.tracer()) is not None:
            tracer.numbers(self)
        return self.data

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def tolist(self) -> Any:
        """Return nested lists of Python numbers, or one number for a 0-d tensor."""
        return self.data.tolist()

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises
        ------
        RuntimeError
            If there is not exactly one element.
        """
        if self.data.size != 1:
            raise RuntimeError(f"only a tensor with one element is a number, this one has shape {self.data.shape}")
        return self.data.item()

    def __bool__(self) -> Any:
        return self.item() != 0

    def __float__(self) -> Any:
        return float(self._number())

    def __int__(self) -> Any:
        return int(self._number())

    def _number(self) -> Any:
        """Return the only element; ValueError (as in PyTorch's conversions) if there is not exactly one."""
        if self.data.size != 1:
            raise ValueError(
                f"only a tensor with one element converts to a number, this one has shape {self.data.shape}"
            )
        return self.data.item()

    def __index__(self) -> Any:
        if self.data.dtype.kind not in "iu" or self.data.ndim:
            raise TypeError(f"only a 0-d integer tensor is an index, this one has shape {self.data.shape}")
        return int(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.data.item(), spec) if not self.data.ndim and spec else format(str(self), spec)
