"""Matrix product with the shapes of torch.matmul: vectors, matrices, and batches of matrices that broadcast."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scratchconv.kernels.matmul import tiled
from scratchconv.ops._broadcast import common_shape
from scratchconv.ops._checks import same_dtype
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array, hollow
from scratchconv.ops.reduction import sum_to


class Saved(NamedTuple):
    """Both operands."""

    a: Array
    b: Array


def forward(a: Array, b: Array) -> tuple[Array, Saved]:
    """Return the matrix product.

    Parameters
    ----------
    a
        (..., M, K), or (K,) for a row vector; float32 or float64.
    b
        (..., K, N), or (K,) for a column vector; same dtype. Leading axes broadcast.

    Returns
    -------
    out
        (..., M, N), without M or N where the operand was a vector.

    Raises
    ------
    RuntimeError
        If an operand is a number, the inner sizes or leading axes do not fit, or the dtypes differ.
    """
    same_dtype(a=a, b=b)
    if a.ndim == 0 or b.ndim == 0:
        raise RuntimeError(f"matmul needs at least one axis on both sides, got shapes {a.shape} and {b.shape}")
    left, right = _as_matrices(a, b)
    if left.shape[-1] != right.shape[-2]:
        raise RuntimeError(
            f"matmul needs (..., M, K) and (..., K, N), got {a.shape} and {b.shape}: "
            f"{left.shape[-1]} is not {right.shape[-2]}"
        )
    out = _product(left, right)
    return _without_units(out, a, b), Saved(a, b)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    """Return da = dout bᵀ and db = aᵀ dout, summed over the leading axes along which an operand was repeated."""
    a, b = saved
    left, right = _as_matrices(a, b)
    if b.ndim == 1:
        dy = np.expand_dims(dy, -1)
    if a.ndim == 1:
        dy = np.expand_dims(dy, -2)
    da = db = None
    if needs[0]:
        da = sum_to(_product(dy, right.swapaxes(-1, -2)), left.shape).reshape(a.shape)
    if needs[1]:
        db = sum_to(_product(left.swapaxes(-1, -2), dy), right.shape).reshape(b.shape)
    return da, db


def keep(saved: Saved, needs: tuple[bool, ...]) -> Saved:
    """Keep of each operand what the other's gradient is made of."""
    a, b = saved
    return Saved(a if needs[1] else hollow(a), b if needs[0] else hollow(b))


def _as_matrices(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a row for a vector on the left, a column for one on the right."""
    return (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)


def _without_units(out: Array, a: Array, b: Array) -> Array:
    """Drop the axes that :func:`_as_matrices` added."""
    if b.ndim == 1:
        out = out[..., 0]
    return out[..., 0, :] if a.ndim == 1 and b.ndim > 1 else out[..., 0] if a.ndim == 1 else out


def _product(a: Array, b: Array) -> Array:
    """Return the product of two (batches of) matrices; leading axes of a join its rows if b is one matrix."""
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return _product(rows, b).reshape(*a.shape[:-1], b.shape[-1])
    batch = common_shape("matmul", a.shape[:-2], b.shape[:-2])
    out = empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    lefts, rights = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    for i in np.ndindex(batch):
        left, transpose_a = _untransposed(lefts[i])
        right, transpose_b = _untransposed(rights[i])
        tiled.matmul(left, right, transpose_a, transpose_b, out[i])
    return out


def _untransposed(x: Array) -> tuple[Array, bool]:
    """Return a C-contiguous matrix and whether it is the transpose of ``x``."""
    if x.T.flags.c_contiguous and not x.flags.c_contiguous:
        return x.T, True
    return np.ascontiguousarray(x), False
