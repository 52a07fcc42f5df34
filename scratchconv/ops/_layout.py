"""Between the meaning of an array (N, C, H, W) and its memory (N, H, W, C).

Activations mean (N, C, H, W) and lie channels-last, so a vector register holds consecutive channels of one pixel.
Weights mean (F, C/G, KH, KW) and lie as (KH, KW, C/G, F), so a vector holds consecutive filters of one tap.
Arrays made by this library already lie so and pass through without a copy; foreign ones are copied once.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels import _tape
from scratchconv.ops._op import Array


def contiguous(x: Array) -> Array:
    """Return ``x`` itself if it is C-contiguous and writable, else a copy.

    A kernel compiled for a read-only array is another kernel to Numba; copying spares the compilation.
    """
    if x.flags.carray:
        return x
    copy = np.empty(x.shape, x.dtype)
    _tape.do(np.copyto, copy, x)
    return copy


def as_nhwc(x: Array) -> Array:
    """Return (N, C, H, W) ``x`` as a C-contiguous (N, H, W, C) array."""
    return contiguous(x.transpose(0, 2, 3, 1))


def from_nhwc(x: Array) -> Array:
    """Return the (N, C, H, W) view of an (N, H, W, C) array."""
    return x.transpose(0, 3, 1, 2)


def channels_last(x: Array) -> Array:
    """Return the (N, ..., C) view of an (N, C, ...) array."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_second(x: Array) -> Array:
    """Return the (N, C, ...) view of an (N, ..., C) array."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def as_khwcf(w: Array) -> Array:
    """Return (F, C/G, KH, KW) ``w`` as a C-contiguous (KH, KW, C/G, F) array."""
    return contiguous(w.transpose(2, 3, 1, 0))


def from_khwcf(w: Array) -> Array:
    """Return the (F, C/G, KH, KW) view of a (KH, KW, C/G, F) array."""
    return w.transpose(3, 2, 0, 1)
