"""Arrays at the edge of readable memory."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]


def at_the_end_of_memory(values: Array) -> Array:
    """A copy of ``values`` that ends where a page begins that nobody may touch: one element more ends the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mprotect"):
        pytest.skip("no mprotect on this system")
    size = -(-max(1, values.nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, size + mmap.PAGESIZE), np.uint8)
    forbidden = ctypes.c_void_p(memory.ctypes.data + size)
    assert libc.mprotect(forbidden, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    copy = memory[size - values.nbytes : size].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
