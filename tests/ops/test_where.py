from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops import where

CONDITION = np.array([[True], [False]])
X, Y = np.array([1.0, 2.0, 3.0]), np.array(9.0)


def test_choice_and_gradients() -> None:
    out, saved = where.forward(CONDITION, X, Y)
    assert out.tolist() == [[1, 2, 3], [9, 9, 9]]
    none, dx, dy = where.backward(saved, np.full((2, 3), 2.0), (False, True, True))
    assert none is None
    assert dx is not None and dx.tolist() == [2, 2, 2]
    assert dy is not None and dy.tolist() == 6
    assert where.backward(saved, np.ones((2, 3)), (False, False, False)) == (None, None, None)


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="bool condition"):
        where.forward(X, X, Y)
    with pytest.raises(RuntimeError, match="broadcast"):
        where.forward(CONDITION, X, np.zeros(4))
