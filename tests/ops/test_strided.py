"""Windows: where a view's elements lie among its base's, for every kind of view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.ops.elementwise import MUL
from scratchconv.ops.strided import AS_STRIDED, ThroughView, Window

BASE = np.arange(60.0).reshape(3, 4, 5)


def bases() -> list[Any]:
    return [BASE, BASE.transpose(2, 0, 1), BASE[:, ::2, ::-1], BASE[1:, 1:, 1:], BASE[:, :, ::-1].T]


def views(base: Any) -> list[Any]:
    return [base, base[1], base[..., 0], base.transpose(1, 2, 0), base[:0], base[1:, ::2, ::-1], base[0, 0, 0:1]]


@pytest.mark.parametrize("base", bases())
def test_a_window_shows_the_same_elements(base: Any) -> None:
    for view in views(base):
        window = Window.between(base, view)
        dbase, dview = window.zeros(np.dtype(np.float64))
        dbase[...] = base
        np.testing.assert_array_equal(dview, view)
        dview[...] = -1
        assert (dbase == -1).sum() == view.size


def test_an_empty_base() -> None:
    dbase, dview = Window.between(BASE[:0], BASE[:0, 1]).zeros(np.dtype(np.float32))
    assert dbase.shape == (0, 4, 5) and dview.shape == (0, 5)


def test_as_strided_places_the_gradient_of_the_view_among_zeros() -> None:
    view = BASE[1, ::2]
    y, saved = AS_STRIDED.forward(BASE, view=view)
    assert y is view
    (dbase,) = AS_STRIDED.backward(saved, np.ones(view.shape), (True,))
    assert dbase.sum() == view.size and dbase[1, ::2].all()


def test_as_strided_adds_up_where_the_view_repeats_elements() -> None:
    view = np.broadcast_to(BASE[0, :, :1], (4, 7))
    _, saved = AS_STRIDED.forward(BASE, view=view)
    (dbase,) = AS_STRIDED.backward(saved, np.ones((4, 7)), (True,))
    assert dbase[0, :, 0].tolist() == [7] * 4 and dbase.sum() == 28


def test_through_view_scales_the_gradient_inside_the_window_only() -> None:
    view, factor = BASE[0], np.full(5, 3.0)
    op = ThroughView(MUL)
    _, inner = op.forward(view, factor)
    dy = np.ones(BASE.shape)
    saved = (Window.between(BASE, view), inner)
    dbase, dfactor = op.backward(saved, dy, (True, True))
    assert dbase is not None and (dbase[0] == 3).all() and (dbase[1:] == 1).all()
    assert dfactor is not None
    np.testing.assert_array_equal(dfactor, BASE[0].sum(0))
    assert op.backward(saved, dy, (False, True))[0] is None
    assert (dy == 1).all()
