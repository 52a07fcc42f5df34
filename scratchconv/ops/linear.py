"""Linear layer: y = x wᵀ + b, the derivation is in kernels/linear/README.md."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scratchconv.kernels.linear import tiled
from scratchconv.ops._checks import same_dtype
from scratchconv.ops._layout import contiguous
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array

fresh = True  # see _op.Op


class Saved(NamedTuple):
    """Input as (N, C) and weight as C-contiguous arrays, and the shape of the input as it came."""

    x: Array
    w: Array
    shape: tuple[int, ...]


def forward(x: Array, w: Array, b: Array | None = None) -> tuple[Array, Saved]:
    """Return ``y[..., f] = b[f] + sum_c x[..., c] * w[f, c]``.

    Parameters
    ----------
    x
        (..., C), float32 or float64; any number of leading axes, also none.
    w
        (F, C), of the same dtype.
    b
        (F,) or None.

    Raises
    ------
    RuntimeError
        If the shapes do not fit or the dtypes differ.
    """
    dtype = same_dtype(x=x, w=w, b=b)
    bias_fits = b is None or (w.ndim == 2 and b.shape == w.shape[:1])
    if x.ndim == 0 or w.ndim != 2 or x.shape[-1] != w.shape[1] or not bias_fits:
        given = f"x {x.shape}, w {w.shape}, b {None if b is None else b.shape}"
        raise RuntimeError(f"linear needs x (..., C), w (F, C) and b (F,) or None, got {given}")
    rows = contiguous(x).reshape(math.prod(x.shape[:-1]), w.shape[1])
    weight = contiguous(w)
    y = empty((*x.shape[:-1], w.shape[0]), dtype)
    bias = np.zeros(w.shape[0], dtype) if b is None else contiguous(b)
    tiled.forward(rows, weight, bias, y.reshape(len(rows), w.shape[0]))
    return y, Saved(rows, weight, x.shape)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
    """Return (dx, dw, db); db only if there was a bias to ask for (``needs`` has an entry for each input given)."""
    x, w, shape = saved
    rows = contiguous(dy).reshape(len(x), len(w))
    dx = dw = db = None
    if needs[0]:
        dx = empty(shape, x.dtype)
        tiled.input_gradient(rows, w, dx.reshape(x.shape))
    if needs[1]:
        dw = empty(w.shape, x.dtype)
        tiled.weight_gradient(rows, x, dw)
    if len(needs) > 2 and needs[2]:
        db = empty((len(w),), x.dtype)
        tiled.bias_gradient(rows, db)
    return (dx, dw, db)[: len(needs)]
