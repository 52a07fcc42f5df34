"""Gradients through memory that is shared: what a view shows of its base, and a change made through a view.

Both work on a ``Window``: where the view's elements lie among the base's, as offsets and strides. Cf. PyTorch's
AsStrided and CopySlices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from scratchconv.ops._op import Array, Op, needed


class Placement(NamedTuple):
    """Where an array's elements lie: shape, strides and first element, in bytes from the start of some memory."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int

    def of(self, memory: Array) -> Array:
        """Return the array that lies there in ``memory`` (flat)."""
        return as_strided(memory[self.start // memory.itemsize :], self.shape, self.strides)


class Window(NamedTuple):
    """A base and a view of it, both placed in the base's memory of ``nbytes`` bytes."""

    base: Placement
    view: Placement
    nbytes: int

    @classmethod
    def between(cls, base: Array, view: Array) -> Window:
        """Describe how ``view`` lies inside ``base``."""
        if not base.size:
            return cls(Placement(base.shape, base.strides, 0), Placement(view.shape, view.strides, 0), 0)
        low, high = byte_bounds(base)
        places = [Placement(a.shape, a.strides, a.ctypes.data - low) for a in (base, view)]
        return cls(places[0], places[1], high - low)

    def zeros(self, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Return a zero array placed like the base, and the view of it."""
        memory = np.zeros(self.nbytes // dtype.itemsize, dtype)
        return self.base.of(memory), self.view.of(memory)


class AsStrided:
    """What a view shows of its base, expressed anew after the base was changed in place."""

    name = "as_strided"

    def forward(self, base: Array, *, view: Array) -> tuple[Array, Window]:
        """Return ``view`` itself: its memory already is the base's."""
        return view, Window.between(base, view)

    def backward(self, saved: Window, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Put the view's gradient in its place among zeros; add up where the view repeats an element."""
        dbase, dview = saved.zeros(dy.dtype)
        repeated = [axis for axis, stride in enumerate(saved.view.strides) if stride == 0]
        once = tuple(slice(0, 1) if axis in repeated else slice(None) for axis in range(dy.ndim))
        dview[once] += dy.sum(axis=tuple(repeated), keepdims=True)
        return (dbase,)


class ThroughView:
    """An in-place operation ``op`` on a view, seen as an operation on the base."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.name = "through_view"

    def forward(self, *arrays: Array, **params: Any) -> tuple[Array, Any]:
        """Run ``op`` on the view."""
        y, saved = self.op.forward(*arrays, **params)
        return y, saved

    def backward(self, saved: tuple[Window, Any], dy: Array, needs: tuple[bool, ...]) -> Sequence[Array | None]:
        """Replace the gradient inside the window by what ``op`` makes of it; the rest passes unchanged."""
        window, inner = saved
        dbase, dview = window.zeros(dy.dtype)
        dbase[...] = dy
        dtarget, *others = self.op.backward(inner, dview.copy(), (True, *needs[1:]))
        dview[...] = 0 if dtarget is None else dtarget
        return [dbase if needs[0] else None, *others]

    def keep(self, saved: tuple[Window, Any], needs: tuple[bool, ...]) -> tuple[Window, Any]:
        """Keep what ``op`` keeps."""
        window, inner = saved
        return window, needed(self.op, inner, (True, *needs[1:]))


AS_STRIDED = AsStrided()
