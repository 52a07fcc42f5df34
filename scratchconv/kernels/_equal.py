"""Whether arrays are still what they were: the bits of many pairs of arrays, compared in one call."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, kernel


@kernel
def all_equal(words, table):
    """Whether for each row (size, address, address) of the int64 table both addresses hold the same 32-bit words.

    ``words`` is any uint32 array. Cost: reads both sides once; stops at the first pair that differs.
    """
    for row in range(table.shape[0]):
        size = table[row, 0]
        if _differs(simd.memory_at(words, table[row, 1], size), simd.memory_at(words, table[row, 2], size)):
            return False
    return True


@helper
def _differs(x, y):
    found = np.uint32(0)
    for i in range(x.size):
        found = np.uint32(found | (x[i] ^ y[i]))
    return found != 0
