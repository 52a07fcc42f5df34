"""The loops that measure the machine compute what they say, so the compiler dropped none of the work."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.loops import ROWS, Fma, Stream


def test_the_multiply_adds_are_all_performed() -> None:
    loop = Fma(1000)
    start = loop.result().copy()
    loop()
    # 1000 additions of 1e-6 to numbers up to a few hundred: one unit in the last place of 256 is 3e-5, so compare
    # where the accumulator is small enough to feel each of them.
    assert loop.result()[0] - start[0] == pytest.approx(1000 * 1e-6, rel=1e-3)
    assert loop.flop == 2 * start.size * 1000 and start.size % ROWS == 0


@pytest.mark.parametrize("copy", [False, True])
def test_streams_touch_every_element(copy: bool) -> None:
    loop = Stream(10_000, 3, copy)
    elements = loop.bytes // (3 * 4 * (2 if copy else 1))
    loop()
    if copy:
        assert loop.result().size == elements and (loop.result() == 1).all()
    else:  # three passes over ones, added up in a few lanes
        assert loop.result().sum() == 3 * elements
    assert np.isfinite(loop.result()).all()
