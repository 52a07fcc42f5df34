"""How fast this machine could be: multiply-adds in registers, and copying memory. Measured once a process, in 0.1 s."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels import _threads
from scratchconv.kernels._jit import parallel_kernel, prange
from scratchconv.ops._memory import empty
from scratchconv.simd import TileShape, outer_fma, row_offsets, tile_load, tile_store

ROWS = 12  # accumulators: enough to hide the latency of an FMA, few enough for 16 registers
STEPS = 100_000  # multiply-adds of each accumulator
COPIED = 32 << 20  # bytes that no cache near a core holds
_SAME = (0,) * ROWS  # every row multiplies the same number, so one broadcast is all there is to load


class Ceiling(NamedTuple):
    """FLOP/s and bytes/s of all threads in use; a copy counts what it reads and what it writes."""

    flops: float
    bandwidth: float

    def share(self, flop: float, moved: float, seconds: float) -> float:
        """Return the part of ``seconds`` that ``flop`` operations, or moving ``moved`` bytes, cannot do without."""
        return max(flop / self.flops, moved / self.bandwidth) / seconds if seconds > 0 else 0.0


@parallel_kernel
def multiply_adds(shape: Any, start: Any, x: Any, w: Any, count: int, y: Any) -> None:
    """``count`` times acc[r] += x[0] * w[0:lanes] in registers; rows of y (threads, rows * lanes) start different.

    Owns: thread t writes row t of y. Cost: 2 * rows * lanes * count flop a thread.
    """
    for t in prange(y.shape[0]):
        rows = row_offsets(shape, start, 0)
        acc = tile_load(shape, y[t], 0, rows)
        for _ in range(count):
            acc = outer_fma(acc, x, 0, _SAME, w, 0)
        tile_store(acc, y[t], 0, rows)


def ceiling() -> Ceiling:
    """Return the ceiling for the present number of threads."""
    return _measured(_threads.get_num_threads())


@functools.cache
def _measured(threads: int) -> Ceiling:
    shape = TileShape(ROWS, 1, np.float32)
    lanes = shape.lanes
    start = np.arange(ROWS) * lanes
    x, w = np.full(1, 1e-3, np.float32), np.full(lanes, 1e-3, np.float32)
    y = np.tile(np.arange(ROWS * lanes, dtype=np.float32), (threads, 1))
    source, target = empty((COPIED // 4,), np.float32), empty((COPIED // 4,), np.float32)
    source[...] = 1
    arithmetic = _fastest(lambda: multiply_adds(shape, start, x, w, STEPS, y))
    copying = _fastest(lambda: np.copyto(target, source))
    return Ceiling(2 * ROWS * lanes * STEPS * threads / arithmetic, 2 * COPIED / copying)


def _fastest(work: Callable[[], Any], count: int = 5) -> float:
    """Return the seconds of the fastest of ``count`` runs; a first one warms up."""
    work()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)
