"""How a reduction sees its operand: which axes are kept, reduced, kept; when it is copied."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops._axes import checked_dims, reduction


def test_dims() -> None:
    assert checked_dims(None, (2, 3)) == (0, 1)
    assert checked_dims((), (2, 3)) == (0, 1)
    assert checked_dims(-1, (2, 3)) == (1,)
    assert checked_dims([2, 0], (2, 3, 4)) == (0, 2)
    assert checked_dims(0, ()) == ()
    with pytest.raises(IndexError, match="between -1 and 0, got 1"):
        checked_dims(1, ())
    with pytest.raises(RuntimeError, match="once"):
        checked_dims((1, -1), (2, 3))
    with pytest.raises(TypeError):
        checked_dims(1.5, (2, 3))  # type: ignore[arg-type]


def test_views_of_memory() -> None:
    x = np.zeros((2, 3, 4, 5))
    last = np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2)
    assert reduction(x, None).view == (1, 120, 1)
    assert reduction(x, 3).view == (24, 5, 1)
    assert reduction(x, (1, 2)).view == (2, 12, 5)
    assert reduction(last, (0, 2, 3)).view == (1, 40, 3)
    assert reduction(last, (2, 3)).view == (2, 20, 3)
    for array, dims in ((x, (1, 2)), (last, (0, 2, 3)), (last, 1)):
        assert np.shares_memory(reduction(array, dims).operand(array), array)


def test_axes_apart_in_memory_are_copied_together() -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    walk = reduction(x, (0, 2))
    assert walk.view == (15, 8, 1)
    assert np.array_equal(walk.operand(x).sum(1).reshape(3, 5), x.sum((0, 2)))


def test_results_get_their_shape_back() -> None:
    x = np.arange(120.0).reshape(2, 4, 5, 3).transpose(0, 3, 1, 2)
    walk = reduction(x, 0)
    sums = walk.operand(x).sum(1)
    assert np.array_equal(walk.shaped(sums, False), x.sum(0))
    assert np.array_equal(walk.shaped(sums, True), x.sum(0, keepdims=True))
    assert walk.shaped(sums, False).strides == x[0].strides
