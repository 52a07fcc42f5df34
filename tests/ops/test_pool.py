"""Blocks of memory are used again, and never while an array shows them."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from scratchconv.ops import _memory, _pool
from scratchconv.ops._op import Array

SHAPE = (64, 1024)  # 256 KiB of float32
FLOAT32 = np.dtype(np.float32)


def address(x: Array) -> int:
    return int(x.ctypes.data)


def test_a_dead_array_gives_its_memory_to_the_next_of_its_size() -> None:
    pool = _pool.Pool()
    x = pool.empty(SHAPE, FLOAT32)
    first = address(x)
    assert (x.shape, x.dtype, x.flags.carray) == (SHAPE, FLOAT32, True)
    assert first % _pool.ALIGNMENT == 0
    del x
    assert pool.kept == 2**18
    other = pool.empty((1024, 1024), FLOAT32)
    again = pool.empty((32, 1024), np.dtype(np.float64))
    assert address(again) == first != address(other)
    assert pool.kept == 0


VIEWS: dict[str, Callable[[Array], object]] = {
    "slice": lambda x: x[3:, ::2],
    "transposed": lambda x: x.T,
    "reshaped, then sliced": lambda x: x.reshape(-1)[5:9],
    "other dtype": lambda x: x.view(np.int32)[0],
    "element": lambda x: x[0, :1],
    "memory view": lambda x: x.data[1:],
    "memory view of a view": lambda x: x[1].data,
    "buffer of a view": lambda x: x[2:].data,
    "array of a memory view": lambda x: np.asarray(x[1].data),
    "ctypes": lambda x: np.ctypeslib.as_ctypes(x.reshape(-1)),
    "torch": lambda x: torch.from_numpy(x),
    "torch, a view": lambda x: torch.from_numpy(x[1:])[2:],
    "broadcast": lambda x: np.broadcast_to(x[0], (3, 1024)),
    "strided": lambda x: np.lib.stride_tricks.as_strided(x, (2, 2), (4, 4)),
    "exported": lambda x: np.from_dlpack(x),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_that_something_shows_is_not_handed_out(name: str) -> None:
    pool = _pool.Pool()
    x = pool.empty(SHAPE, FLOAT32)
    first = address(x)
    view = VIEWS[name](x)
    del x
    gc.collect()
    assert pool.kept == 0
    others = [pool.empty(SHAPE, FLOAT32) for _ in range(3)]
    assert first not in [address(other) for other in others]
    del view
    gc.collect()
    assert pool.kept == 2**18
    assert address(pool.empty(SHAPE, FLOAT32)) == first


def test_live_arrays_never_overlap() -> None:
    """Random births and deaths; each live array keeps the number it was filled with."""
    pool, rng = _pool.Pool(limit=2**21), np.random.default_rng(0)
    live: list[tuple[int, Array]] = []
    for number in range(2000):
        if len(live) > 10 or (live and rng.random() < 0.4):
            value, x = live.pop(int(rng.integers(len(live))))
            assert np.all(x == value)
            del x
        shape = (int(rng.integers(1, 5)), int(rng.integers(1, 60_000)))
        x = pool.empty(shape, FLOAT32)
        x[...] = number
        live.append((number, x[:, : shape[1] // 2 + 1]))
        del x
        assert 0 <= pool.kept <= pool.limit
    assert all(np.all(x == value) for value, x in live)


def test_keeps_no_more_than_its_limit_and_forgets_what_is_not_used() -> None:
    pool = _pool.Pool(limit=2**20)
    old = pool.empty(SHAPE, FLOAT32)
    del old
    for _ in range(10):
        arrays = [pool.empty((128, 1024), FLOAT32) for _ in range(2)]
        del arrays
    assert pool.kept == 2**20  # the two in use; the old one had to go
    large = pool.empty((4096, 1024), FLOAT32)  # 16 MiB: above the limit
    del large
    assert pool.kept <= 2**20
    pool.clear()
    assert pool.kept == 0


def test_many_threads() -> None:
    pool = _pool.Pool(limit=2**21)
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(300):
            x = pool.empty((50 + turn % 3 * 40, 1024), FLOAT32)
            x[...] = number
            y = x[1:]
            del x
            if not np.all(y == number):
                wrong.append(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert 0 < pool.kept <= pool.limit
    free = pool.kept
    pool.clear()
    assert free % _pool.GRANULE == 0


def test_death_by_the_garbage_collector() -> None:
    pool = _pool.Pool()
    cycle: list[object] = [pool.empty(SHAPE, FLOAT32)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert pool.kept == 2**18


def test_results_come_from_the_pool_if_they_are_large() -> None:
    _pool.POOL.clear()
    x = _memory.empty((_memory.POOLED - 1,), np.uint8)
    del x
    assert _pool.POOL.kept == 0
    x = _memory.empty((_memory.POOLED,), np.uint8)
    first = address(x)
    del x
    assert address(_memory.empty((_memory.POOLED,), np.uint8)) == first


def test_no_memory() -> None:
    with pytest.raises(MemoryError):
        _pool.Pool().empty((2**50,), FLOAT32)
