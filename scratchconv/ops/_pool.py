"""Memory that large results share, one after the other.

The allocator of the C library gives large blocks back to the operating system; the next one then costs a page fault
for every 4 KiB. Here a block stays, and serves the next result of its size once no array shows it any more.

How that is known: a block is lent to one array, the *root*, and every view of it refers to the root (NumPy's ``base``),
as do memory views and foreign arrays. The root therefore dies last, and a weak reference to it tells of its death.
"""

from __future__ import annotations

import ctypes
import math
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchconv.ops._op import Array

ALIGNMENT = 64  # bytes: one cache line, one AVX-512 vector
GRANULE = 65536  # bytes: sizes are rounded up to a multiple, so that similar sizes share blocks
LIMIT = 256 * 2**20  # bytes of unused blocks that are kept

Block = ctypes.Array[ctypes.c_char]


class _Loan(weakref.ref[Array]):
    """A weak reference to a root that knows its block."""

    __slots__ = ("block",)
    block: Block


class Pool:
    """Blocks of memory that are free, by size, and those that are lent out. Safe for many threads.

    The lock may be taken again by the thread that holds it: an array can die, and come back here, inside any statement
    that allocates. Each method is correct if others run between its statements.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.kept = 0  # bytes in free blocks
        self._free: dict[int, list[Block]] = {}  # least recently returned sizes first
        self._loans: dict[int, _Loan] = {}  # a weak reference must live to be told
        self._lock = threading.RLock()

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialised C-contiguous array in a block of its own, which comes back when the array dies."""
        size = -(-math.prod(shape) * dtype.itemsize // GRANULE) * GRANULE
        block = self._take(size) or _new_block(size)
        root: Array = np.ndarray(shape, dtype, block)  # type: ignore[arg-type]  # any buffer will do
        loan = _Loan(root, self._give_back)
        loan.block = block
        self._loans[id(loan)] = loan
        return root

    def clear(self) -> None:
        """Give all free blocks to the operating system."""
        with self._lock:
            self._free, self.kept = {}, 0

    def _take(self, size: int) -> Block | None:
        """Return a free block of ``size`` bytes, the one that was used last, or None."""
        with self._lock:
            blocks = self._free.get(size)
            if not blocks:
                return None
            self.kept -= size
            return blocks.pop()

    def _give_back(self, loan: _Loan) -> None:
        """Keep the block of a dead array; beyond the limit let go of those whose size was not in use for longest."""
        block, size = loan.block, len(loan.block)
        with self._lock:
            del self._loans[id(loan)]
            blocks = self._free.pop(size, [])
            blocks.append(block)
            self._free[size] = blocks
            self.kept += size
            while self.kept > self.limit:
                oldest = next(iter(self._free))
                if self._free[oldest]:
                    self._free[oldest].pop()
                    self.kept -= oldest
                else:
                    del self._free[oldest]


def _new_block(size: int) -> Block:
    """Return memory that starts on a cache line.

    It must be neither an array nor a memory view of one: NumPy lets a view of a view refer to the array that owns the
    memory, and skips the root.
    """
    raw = np.empty(size + ALIGNMENT, np.uint8)
    return (ctypes.c_char * size).from_buffer(raw.data, -raw.ctypes.data % ALIGNMENT)


POOL = Pool()
