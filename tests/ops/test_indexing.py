"""Reading and writing parts of arrays; the many forms of an index are compared with PyTorch in tests/autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.ops.indexing import GETITEM, SETITEM, split

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        (0, (3, 4)),
        ((..., 1), (2, 3)),
        ((slice(0, 2), None, 2), (2, 1, 4)),
        (([0, 1, 1],), (3, 3, 4)),
        ((0, slice(None), [1, 2]), (3, 2)),  # the integer is taken out first
        (([0, 1], slice(None), [1, 2]), (2, 3)),  # index arrays apart: their axis comes first
        ((X > 20,), (3,)),
        ((0, 0, 0), ()),
    ],
)
def test_read_and_its_scatter(index: Any, shape: tuple[int, ...]) -> None:
    y, saved = GETITEM.forward(X, index=index)
    assert y.shape == shape
    (dx,) = GETITEM.backward(saved, np.ones(shape), (True,))
    assert dx.sum() == y.size  # every element's gradient arrives exactly once
    np.testing.assert_array_equal((dx * X).sum(), y.sum())  # ... at its own place


def test_basic_indices_give_views_even_of_single_elements() -> None:
    for index in (0, (0, 1, 2), (slice(1), ..., None)):
        assert np.shares_memory(GETITEM.forward(X, index=index)[0], X)
    assert not np.shares_memory(GETITEM.forward(X, index=[0])[0], X)


def test_write() -> None:
    x, value = X.copy(), np.array([[1.0], [2.0], [3.0]])
    y, saved = SETITEM.forward(x, value, index=0)
    assert y is x and x[0].tolist() == [[1] * 4, [2] * 4, [3] * 4]
    dy = np.ones(X.shape)
    dx, dvalue = SETITEM.backward(saved, dy, (True, True))
    assert dx is not None and dx[0].sum() == 0 and dx[1].sum() == 12
    assert dvalue is not None and dvalue.tolist() == [[4.0], [4.0], [4.0]]
    assert dy.sum() == 24  # unchanged
    assert SETITEM.backward(saved, dy, (False, False)) == (None, None)


def test_the_gradient_of_a_value_has_its_dtype() -> None:
    _, saved = SETITEM.forward(X.astype(np.float32), np.ones(4), index=(0, 0))
    _, dvalue = SETITEM.backward(saved, np.ones(X.shape, np.float32), (False, True))
    assert dvalue is not None and dvalue.dtype == np.float64


@pytest.mark.parametrize(
    ("index", "error"),
    [
        ((0, 0, 0, 0), IndexError),
        (slice(None, None, -1), ValueError),
        ("a", TypeError),
        (1.5, IndexError),
        ((X > 0)[0], IndexError),
        (2, IndexError),
    ],
)
def test_errors(index: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        GETITEM.forward(X, index=index)


def test_a_value_that_does_not_fit_is_named_with_its_place() -> None:
    with pytest.raises(RuntimeError, match=r"\(5,\).*\(3, 4\)"):
        SETITEM.forward(X.copy(), np.ones(5), index=0)


def test_split() -> None:
    basic, arrays = split((None, 1, np.array([0, 2])), 3)
    assert basic == (None, 1, slice(None), ...)
    assert arrays is not None and arrays[0] == slice(None) and arrays[1].tolist() == [0, 2]
    assert split((), 2).arrays is None
