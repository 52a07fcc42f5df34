"""Plans of walks through two arrays: which axes join, what is copied, how the result lies."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops._broadcast import common_shape, plan


def walk(x: np.ndarray, y: np.ndarray) -> tuple[list[int], list[list[int]], list[bool]]:
    found = plan(x, y, "add")
    return found.extents.tolist(), [o.strides.tolist() for o in found.operands], [o.copied for o in found.operands]


def channels_last(*shape: int) -> np.ndarray:
    n, c, h, w = shape
    return np.zeros((n, h, w, c)).transpose(0, 3, 1, 2)


def test_equal_layouts_are_flat_memory() -> None:
    assert walk(np.zeros((2, 3, 4)), np.zeros((2, 3, 4))) == ([24], [[1], [1]], [False, False])
    assert walk(channels_last(2, 3, 4, 5), channels_last(2, 3, 4, 5)) == ([120], [[1], [1]], [False, False])


def test_a_number_and_a_bias() -> None:
    assert walk(np.zeros((2, 3)), np.zeros(())) == ([6], [[1], [0]], [False, False])
    assert walk(channels_last(2, 3, 4, 5), np.zeros((3, 1, 1))) == ([40, 3], [[3, 1], [0, 1]], [False, False])
    assert walk(np.zeros((2, 3)), np.zeros((2, 1))) == ([2, 3], [[3, 1], [1, 0]], [False, False])


def test_another_memory_order_is_copied_once() -> None:
    assert walk(np.zeros((2, 3)), np.zeros((3, 2)).T) == ([6], [[1], [1]], [False, True])
    assert walk(np.zeros((4, 3))[::2], np.zeros((2, 3))) == ([6], [[1], [1]], [True, False])


def test_expanded_arrays_are_not_copied() -> None:
    x, y = np.zeros((2, 3)), np.broadcast_to(np.zeros(3), (2, 3))
    assert walk(x, y) == ([2, 3], [[3, 1], [0, 1]], [False, False])
    assert plan(x, y, "add").memory(1, y).shape == (3,)


def test_the_result_lies_like_the_larger_operand() -> None:
    x = channels_last(2, 3, 4, 5)
    assert plan(np.zeros((3, 1, 1)), x, "add").result(x.dtype).strides == x.strides


def test_shapes_that_do_not_fit() -> None:
    assert common_shape("add", (3, 1), (4,)) == (3, 4)
    with pytest.raises(RuntimeError, match=r"add: shapes \(2, 3\) and \(2,\) do not broadcast"):
        common_shape("add", (2, 3), (2,))
