"""Where the windows of a pooling lie: shared by max_pool2d and avg_pool2d.

An output row is walked in runs: consecutive windows that see the same taps. The windows that lie inside the image as
a whole are one run; a window that the border clips is a run of its own. Inside a run no index needs a bounds check.
All pairs are (rows, columns), and images are (H, W, C).
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import helper
from scratchconv.simd import lanes_of, load, load_partial, store, store_partial


@helper
def whole_windows(size, kernel, stride, padding, dilation, count):
    """First and one-past-last window that lies inside as a whole; (-1, -1) where there is none."""
    first = (padding + stride - 1) // stride
    last = min(count, (size + padding - (kernel - 1) * dilation - 1) // stride + 1)
    return (first, last) if first < last else (-1, -1)


@helper
def run_at(i, j, shape, kernel, stride, padding, dilation, whole):
    """The run that starts with window (i, j): (flat index of its first tap, (tap rows, tap columns), windows in it).

    ``whole`` is the answer of whole_windows for the columns. The counts of taps may be zero.
    """
    h, w = i * stride[0] - padding[0], j * stride[1] - padding[1]
    u0, u1 = _taps_inside(h, dilation[0], kernel[0], shape[0])
    v0, v1 = _taps_inside(w, dilation[1], kernel[1], shape[1])
    first = ((h + u0 * dilation[0]) * shape[1] + w + v0 * dilation[1]) * shape[2]
    return first, (u1 - u0, v1 - v0), whole[1] - j if j == whole[0] else 1


@helper
def _taps_inside(start, dilation, kernel, size):
    """First and one-past-last tap t with 0 <= start + t * dilation < size; (0, 0) where no tap is inside."""
    first = max(0, (dilation - 1 - start) // dilation)
    last = min(kernel, (size - start + dilation - 1) // dilation)
    return (first, last) if first < last else (0, 0)


@helper
def offset_table(kernel, shape):
    """Scratch for tap_offsets, as long as a window inside an image of ``shape`` can need."""
    return np.empty(min(kernel[0], shape[0]) * min(kernel[1], shape[1]), np.int64)


@helper
def tap_offsets(taps, steps, table):
    """Where each tap lies from the first one, in raster order: one loop over them is predicted better than two.

    ``steps`` are the distances in memory of neighbouring taps in a column and in a row.
    """
    for u in range(taps[0]):
        for v in range(taps[1]):
            table[u * taps[1] + v] = u * steps[0] + v * steps[1]
    return table[: taps[0] * taps[1]]


@helper
def windows_overlap(kernel, stride, dilation):
    """Whether a pixel can be in two windows (interleaved windows count as overlapping)."""
    return (kernel[0] - 1) * dilation[0] >= stride[0] or (kernel[1] - 1) * dilation[1] >= stride[1]


@helper
def windows_tile(x, y, kernel, stride, padding, dilation):
    """Whether each pixel of image ``x`` is in exactly one of the windows of ``y``."""
    exact = kernel == stride and y.shape[0] * kernel[0] == x.shape[0] and y.shape[1] * kernel[1] == x.shape[1]
    return exact and padding == (0, 0) and not windows_overlap(kernel, stride, dilation)


@helper
def load_channels(x, i, lanes):
    """A whole vector, or its first ``lanes`` lanes."""
    return load(x, i) if lanes == lanes_of(x) else load_partial(x, i, lanes)


@helper
def store_channels(x, i, v, lanes):
    """Store a whole vector, or its first ``lanes`` lanes."""
    if lanes == lanes_of(x):
        store(x, i, v)
    else:
        store_partial(x, i, v, lanes)
