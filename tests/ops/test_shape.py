"""Reshape, permute, expand on arrays: values, what is shared, and the inverse in the backward pass."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops.shape import EXPAND, PERMUTE, RESHAPE

ALL = (True,)


def test_reshape_views_where_memory_allows_and_copies_where_not() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y, saved = RESHAPE.forward(x, shape=(4, -1))
    assert y.shape == (4, 6) and np.shares_memory(x, y)
    (dx,) = RESHAPE.backward(saved, y, ALL)
    np.testing.assert_array_equal(dx, x)
    z, _ = RESHAPE.forward(x.transpose(2, 0, 1), shape=(24,))
    assert not np.shares_memory(x, z)
    assert z[:3].tolist() == [0, 4, 8]


def test_resolve() -> None:
    x = np.zeros((2, 3))
    assert RESHAPE.resolve(x, [-1, 2]) == (3, 2)
    assert RESHAPE.resolve(np.zeros((0, 3)), (0, 7)) == (0, 7)
    with pytest.raises(RuntimeError, match=r"\(0, -1\).*\(2, 3\)"):
        RESHAPE.resolve(x, (0, -1))


def test_permute() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y, saved = PERMUTE.forward(x, order=(2, 0, -2))
    assert y.shape == (4, 2, 3) and y[3, 1, 2] == x[1, 2, 3]
    np.testing.assert_array_equal(PERMUTE.backward(saved, y, ALL)[0], x)


def test_expand_repeats_without_copying_and_its_gradient_sums() -> None:
    x = np.array([[1.0], [2.0]])
    y, saved = EXPAND.forward(x, shape=(5, -1, 3))
    assert y.shape == (5, 2, 3) and np.shares_memory(x, y) and y.flags.writeable
    (dx,) = EXPAND.backward(saved, np.ones((5, 2, 3)), ALL)
    assert dx.tolist() == [[15.0], [15.0]]
