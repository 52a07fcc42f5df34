"""What a prepared plan was made from, and whether it is still the same: every way of changing a number counts."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.kernels._equal import all_equal
from scratchconv.kernels._jit import specialized

_WORDS = np.zeros(1, np.uint32)
_data = operator.attrgetter("data")


class Snapshot:
    """A copy of the numbers in ``tensors``.

    Versions of tensors would be quicker to compare, but a write through NumPy leaves no trace in them: the numbers
    themselves are compared, bit by bit, in one call of a kernel, at the speed of the cache.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._tensors = list({id(tensor): tensor for tensor in tensors}.values())
        self._arrays = list(map(_data, self._tensors))
        self._copies = [array.copy(order="K") for array in self._arrays]
        flat = [array.ravel(order="K") for array in self._arrays]
        # An array with holes is not one stretch of memory: what ravel returns is another.
        self._dense = all(map(np.may_share_memory, flat, self._arrays))
        rows = [(x.nbytes // 4, x.ctypes.data, copy.ctypes.data) for x, copy in zip(flat, self._copies, strict=True)]
        self._table = np.array(rows, np.int64).reshape(-1, 3)
        self._compare = specialized(all_equal, _WORDS, self._table)

    def holds(self) -> bool:
        """Whether all tensors have the arrays they had, and these the numbers."""
        if not all(map(operator.is_, map(_data, self._tensors), self._arrays)):
            return False
        if self._dense:
            return bool(self._compare(_WORDS, self._table))
        return all(array.tobytes() == copy.tobytes() for array, copy in zip(self._arrays, self._copies, strict=True))
