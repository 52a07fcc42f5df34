"""The measured ceilings."""

from __future__ import annotations

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import simd
from scratchconv.compiler._ceiling import ROWS, Ceiling, ceiling, multiply_adds


def test_the_multiply_adds_are_all_performed() -> None:
    shape = simd.TileShape(ROWS, 1, np.float32)
    y = np.zeros((2, ROWS * shape.lanes), np.float32)
    start = np.arange(ROWS) * shape.lanes
    multiply_adds(shape, start, np.full(1, 0.5, np.float32), np.full(shape.lanes, 2, np.float32), 1000, y)
    assert (y == 1000).all()


def test_a_ceiling_is_measured_once_for_a_number_of_threads() -> None:
    found = ceiling()
    assert found is ceiling()
    # Any CPU of this century: a billion operations and a hundred million bytes a second.
    assert found.flops > 1e9 and found.bandwidth > 1e8
    before = sc.get_num_threads()
    try:
        sc.set_num_threads(1)
        assert ceiling().flops > 1e9
    finally:
        sc.set_num_threads(before)


def test_share_takes_the_scarcer_of_the_two() -> None:
    limit = Ceiling(flops=100.0, bandwidth=10.0)
    assert limit.share(50, 1, 1.0) == pytest.approx(0.5)
    assert limit.share(50, 8, 1.0) == pytest.approx(0.8)
    assert limit.share(50, 8, 0.0) == 0.0
