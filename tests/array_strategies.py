"""Hypothesis strategies for arrays: any shape, and any way to lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

LAYOUTS = ("row-major", "column-major", "permuted", "reversed", "holes", "expanded")
DTYPES = (np.float32, np.float64)

# Up to four axes: the shapes of a batch of images. Lengths reach beyond one vector of eight or sixteen lanes.
shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=19)
# Two shapes that broadcast, each with axes of size 0 and 1 among others.
shape_pairs = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=17)


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    """Put ``values`` into memory as ``layout`` says (a 0-d or empty array has but one layout)."""
    if values.ndim == 0 or values.size == 0:
        return values
    if layout == "column-major":
        return np.asfortranarray(values)
    if layout == "permuted":  # channels-last and its relatives: the second axis is the fastest
        order = [0, *range(2, values.ndim), *range(1, min(2, values.ndim))]
        return np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))
    if layout == "reversed":
        return np.ascontiguousarray(values[::-1])[::-1]
    if layout == "holes":
        wide = np.full((*values.shape[:-1], values.shape[-1] * 2), np.nan, values.dtype)
        wide[..., ::2] = values
        return wide[..., ::2]
    if layout == "expanded":  # all equal along the first axis, and one in memory
        return np.broadcast_to(values[:1], values.shape)
    return values


@st.composite
def arrays(draw: Any, shape: Sequence[int], dtype: Any, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """An array of numbers between ``low`` and ``high`` in a layout of its own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.asarray(rng.uniform(low, high, size=shape)).astype(dtype)
    return laid_out(values, draw(st.sampled_from(LAYOUTS)))
