"""Tensor methods that read and write parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv.autograd._core import TensorCore, record_in_place
from scratchconv.ops.indexing import GETITEM, SETITEM

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


class Indexing(TensorCore):
    """``x[...]`` for reading (a view, unless index arrays gather) and for writing."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Tensor:
        return self._apply_view(GETITEM, self, index=_plain(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        given = value if isinstance(value, TensorCore) else np.asarray(value, self.data.dtype)
        record_in_place(self, SETITEM, (given,), {"index": _plain(index)})

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("a 0-d tensor has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.data.ndim:
            raise TypeError("a 0-d tensor cannot be iterated over")
        return (self[i] for i in range(len(self.data)))


def _plain(index: Any) -> Any:
    """Return an index with the arrays of the tensors in it."""
    if isinstance(index, tuple):
        return tuple(_plain(item) for item in index)
    return index.data if isinstance(index, TensorCore) else index
