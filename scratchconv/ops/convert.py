"""The same elements in other memory: another dtype, a copy, or row-major order."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv.ops._memory import empty, empty_like
from scratchconv.ops._op import Array


class Cast:
    """Elements in another dtype, memory order kept; the gradient is cast back."""

    name = "to"

    def forward(self, x: Array, *, dtype: np.dtype[Any]) -> tuple[Array, np.dtype[Any]]:
        """Return a copy of ``x`` in ``dtype``."""
        y = empty_like(x, dtype)
        y[...] = x
        return y, x.dtype

    def backward(self, saved: np.dtype[Any], dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Cast the gradient to the input's dtype."""
        return (dy.astype(saved),)


class Clone:
    """A copy, memory order kept."""

    name = "clone"

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return a copy of ``x``."""
        y = empty_like(x)
        y[...] = x
        return y, None

    def backward(self, saved: None, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Pass the gradient on."""
        return (dy,)


class Contiguous:
    """Row-major memory: ``x`` itself if it lies so, else a copy."""

    name = "contiguous"

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return ``x`` or a row-major copy."""
        if x.flags.c_contiguous:
            return x.view(), None
        y = empty(x.shape, x.dtype)
        y[...] = x
        return y, None

    def backward(self, saved: None, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Pass the gradient on."""
        return (dy,)


CAST = Cast()
CLONE = Clone()
CONTIGUOUS = Contiguous()
