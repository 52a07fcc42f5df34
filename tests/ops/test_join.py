from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops.join import CAT, STACK

A, B = np.arange(6.0).reshape(2, 3), np.arange(4.0).reshape(2, 2)


def test_cat_and_its_cut() -> None:
    y, saved = CAT.forward(A, B, dim=-1)
    assert y.tolist() == [[0, 1, 2, 0, 1], [3, 4, 5, 2, 3]]
    da, db = CAT.backward(saved, y, (True, True))
    np.testing.assert_array_equal(da, A)
    np.testing.assert_array_equal(db, B)
    assert CAT.backward(saved, y, (False, True))[0] is None


def test_cat_keeps_channels_last_memory() -> None:
    x = np.zeros((2, 4, 4, 3)).transpose(0, 3, 1, 2)
    y, _ = CAT.forward(x, x, dim=0)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_stack_and_its_parts() -> None:
    y, saved = STACK.forward(A, A + 1, dim=1)
    assert y.shape == (2, 2, 3)
    np.testing.assert_array_equal(y[:, 1], A + 1)
    first, second = STACK.backward(saved, y, (True, True))
    np.testing.assert_array_equal(first, A)
    np.testing.assert_array_equal(second, A + 1)


@pytest.mark.parametrize("op", [CAT, STACK])
def test_errors(op: object) -> None:
    forward = op.forward  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match=r"\(2, 3\), \(2, 2\)"):
        forward(A, B, dim=0)
    with pytest.raises(IndexError, match="out of range"):
        forward(A, A, dim=5)


def test_numbers_have_no_axis_to_join_along() -> None:
    with pytest.raises(RuntimeError, match="0 dimensions"):
        CAT.forward(np.array(1.0), np.array(2.0))
