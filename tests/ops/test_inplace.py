"""In-place operations on arrays: the same numbers as out of place, in the same memory, whatever its layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.ops.elementwise import EXP, MUL
from scratchconv.ops.inplace import ADD_IN_PLACE, SUB_IN_PLACE, InPlace, check_shape

ALL = (True, True)


def layouts() -> list[Any]:
    memory = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    return [
        memory,
        memory.transpose(0, 3, 1, 2),
        memory[:, ::2],
        memory[..., ::-1],
        memory[:0],
        memory.astype(np.int64),
        memory[0, 0, 0, 0, ...],
    ]


def copy_with_layout(x: Any) -> Any:
    """A writable copy with the strides of ``x``, holes included."""
    root = x if x.base is None else x.base
    root = root if root.base is None else root.base
    fresh = root.copy()
    offset = x.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(x.shape, x.dtype, fresh, offset, x.strides)


@pytest.mark.parametrize("x", layouts())
@pytest.mark.parametrize("op", [ADD_IN_PLACE, SUB_IN_PLACE])
def test_sums(x: Any, op: Any) -> None:
    for other in (np.asarray(x), x[..., :1] if x.ndim else x, np.ones((), x.dtype)):
        target = copy_with_layout(x)
        expected = x + op.sign * other
        y, saved = op.forward(target, other.copy())
        assert y is target
        np.testing.assert_array_equal(target, expected)
        dx, dother = op.backward(saved, np.ones(x.shape, np.float32), ALL)
        assert dx.shape == x.shape and dother.shape == other.shape
        assert dother.sum() == op.sign * x.size
        assert op.backward(saved, np.ones(x.shape, np.float32), (False, False)) == (None, None)


def test_operands_that_overlap() -> None:
    x = np.arange(6.0)
    ADD_IN_PLACE.forward(x[1:], x[:-1])
    assert x.tolist() == [0, 1, 3, 5, 7, 9]
    ADD_IN_PLACE.forward(x, x)
    assert x.tolist() == [0, 2, 6, 10, 14, 18]


def test_an_operand_that_the_backward_pass_needs_is_kept() -> None:
    op = InPlace(MUL, "mul")
    x, other = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    y, saved = op.forward(x, other)
    assert y is x and x.tolist() == [10, 21]
    dx, dother = op.backward(saved, np.ones(2), ALL)
    assert dx is not None and dx.tolist() == [5, 7]
    assert dother is not None and dother.tolist() == [2, 3]


def test_a_result_that_the_backward_pass_needs() -> None:
    x = np.array([0.0, 1.0])
    _, saved = InPlace(EXP, "exp").forward(x)
    np.testing.assert_array_equal(InPlace(EXP, "exp").backward(saved, np.ones(2), (True,))[0], x)


def test_a_result_of_another_shape_is_refused() -> None:
    check_shape("add", np.zeros((2, 3)), np.zeros(3))
    for other in (np.zeros((4, 2, 3)), np.zeros(2)):
        with pytest.raises(RuntimeError, match=r"in-place add.*\(2, 3\)"):
            check_shape("add", np.zeros((2, 3)), other)
