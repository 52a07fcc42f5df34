from __future__ import annotations

import numpy as np

from scratchconv.ops.convert import CAST, CLONE, CONTIGUOUS

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LAST = X.transpose(0, 2, 1)


def test_cast_keeps_the_memory_order_and_casts_the_gradient_back() -> None:
    y, saved = CAST.forward(LAST, dtype=np.dtype(np.float64))
    np.testing.assert_array_equal(y, LAST)
    assert y.dtype == np.float64 and y.strides == tuple(2 * stride for stride in LAST.strides)
    (dx,) = CAST.backward(saved, y, (True,))
    assert dx.dtype == np.float32


def test_clone() -> None:
    y, saved = CLONE.forward(LAST)
    np.testing.assert_array_equal(y, LAST)
    assert y.strides == LAST.strides and not np.shares_memory(y, LAST)
    assert CLONE.backward(saved, y, (True,))[0] is y


def test_contiguous_copies_only_if_needed() -> None:
    assert np.shares_memory(CONTIGUOUS.forward(X)[0], X)
    y, saved = CONTIGUOUS.forward(LAST)
    np.testing.assert_array_equal(y, LAST)
    assert y.flags.c_contiguous
    assert CONTIGUOUS.backward(saved, LAST, (True,))[0] is LAST
