"""The compiled loops that measure the machine itself: arithmetic in registers, reading, copying.

They are written with the library's own vector and tile, so a ceiling that they find is one that its kernels can reach.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from scratchconv import simd
from scratchconv.ops._memory import empty

ROWS = 12  # accumulators: enough to hide the latency of an FMA, few enough for 16 registers
_SAME = (0,) * ROWS  # every row multiplies the same number, so one broadcast is all there is to load


@numba.njit(fastmath={"contract"}, nogil=True)
def _fma(shape: Any, start: Any, x: Any, w: Any, count: int, y: Any) -> None:
    """``count`` times acc[r] += x[0] * w[0:lanes], in registers; equal rows would be merged, so y differs in each."""
    rows = simd.row_offsets(shape, start, 0)
    acc = simd.tile_load(shape, y, 0, rows)
    for _ in range(count):
        acc = simd.outer_fma(acc, x, 0, _SAME, w, 0)
    simd.tile_store(acc, y, 0, rows)


@numba.njit(fastmath={"contract"}, nogil=True)
def _read(shape: Any, steps: Any, x: Any, count: int, y: Any) -> None:
    """``count`` times: load all of x, add it up in registers."""
    rows = simd.row_offsets(shape, steps, 0)
    for _ in range(count):
        acc = simd.tile_load(shape, y, 0, rows)
        for i in range(0, x.size, shape.rows * shape.width):
            acc = acc + simd.tile_load(shape, x, i, rows)
        simd.tile_store(acc, y, 0, rows)


@numba.njit(fastmath={"contract"}, nogil=True)
def _copy(shape: Any, steps: Any, x: Any, count: int, y: Any) -> None:
    """``count`` times: y[...] = x."""
    rows = simd.row_offsets(shape, steps, 0)
    for _ in range(count):
        for i in range(0, x.size, shape.rows * shape.width):
            simd.tile_store(simd.tile_load(shape, x, i, rows), y, i, rows)


class Fma:
    """A call performs ``count`` steps of multiply-adds on registers: ``flop`` operations."""

    def __init__(self, count: int) -> None:
        self._shape = simd.TileShape(ROWS, 1, np.float32)
        lanes = self._shape.lanes
        self._count = count
        self._start = np.arange(ROWS) * lanes
        self._x, self._w = np.full(1, 1e-3, np.float32), np.full(lanes, 1e-3, np.float32)
        self._y = np.arange(ROWS * lanes, dtype=np.float32)
        self.flop = 2 * ROWS * lanes * count

    def __call__(self) -> None:
        """Run the loop."""
        _fma(self._shape, self._start, self._x, self._w, self._count, self._y)

    def result(self) -> np.ndarray:
        """Return the accumulators, for a test of the loop."""
        return self._y


class Stream:
    """A call reads (or copies) an array of about ``size`` bytes ``count`` times: ``bytes`` in all, both ways."""

    def __init__(self, size: int, count: int, copy: bool) -> None:
        self._shape = simd.TileShape(8, 1, np.float32)
        step = self._shape.rows * self._shape.width
        elements = max(1, size // (4 * step)) * step
        self._steps = np.arange(self._shape.rows) * self._shape.lanes
        # Aligned to cache lines: a vector that straddles two of them costs two loads.
        self._x = empty((elements,), np.float32)
        self._y = empty((elements if copy else step,), np.float32)
        self._x[...], self._y[...] = 1, 0
        self._count, self._copy = count, copy
        self.bytes = count * self._x.nbytes * (2 if copy else 1)

    def __call__(self) -> None:
        """Run the loop."""
        (_copy if self._copy else _read)(self._shape, self._steps, self._x, self._count, self._y)

    def result(self) -> np.ndarray:
        """Return what was written, for a test of the loop."""
        return self._y
