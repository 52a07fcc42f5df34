"""Max pooling by 2×2 windows side by side, at least one vector of channels wide: the case of most networks.

Every window is whole and no pixel is in two of them, so there is nothing to look up: four loads make one output.
"""

from __future__ import annotations

from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.simd import lanes_of, load, maximum, run_tasks, select, splat, store


@threaded_kernel
def forward(x, y):
    """y[n,i,j,c] = max of x[n, 2i:2i+2, 2j:2j+2, c]. Owns: image n writes y[n]. Cost: x is read and y written once."""
    run_tasks(_forward_image, x.shape[0], x, y)


@threaded_kernel
def backward(x, dy, dx):
    """Set dx = dy at each window's winner, else 0. Owns: image n writes dx[n]. Cost: x, dy and dx are moved once."""
    run_tasks(_backward_image, x.shape[0], x, dy, dx)


@helper
def _forward_image(n, x, y):
    H, W, C = x.shape[1:]
    OH, OW = y.shape[1:3]
    lanes = lanes_of(x)
    for i in range(OH):
        top, out = (n * H + 2 * i) * W * C, (n * OH + i) * OW * C
        for _ in range(OW):
            for c in range(0, C - lanes + 1, lanes):
                store(y, out + c, _largest(x, top + c, C, W * C))
            if C % lanes != 0:  # one more vector, which writes some values again
                store(y, out + C - lanes, _largest(x, top + C - lanes, C, W * C))
            top, out = top + 2 * C, out + C


@helper
def _backward_image(n, x, dy, dx):
    H, W, C = x.shape[1:]
    OH, OW = dy.shape[1:3]
    lanes = lanes_of(x)
    if H != 2 * OH or W != 2 * OW:
        fill_zero(dx, n * H * W * C, H * W * C)  # a last row or column that is in no window
    for i in range(OH):
        top, out = (n * H + 2 * i) * W * C, (n * OH + i) * OW * C
        for _ in range(OW):
            for c in range(0, C - lanes + 1, lanes):
                _route(x, top + c, C, W * C, load(dy, out + c), dx)
            if C % lanes != 0:
                _route(x, top + C - lanes, C, W * C, load(dy, out + C - lanes), dx)
            top, out = top + 2 * C, out + C


@helper
def _largest(x, i, column, row):
    """The largest of a window's four values; the last NaN if there is one."""
    top = _larger(load(x, i + column), load(x, i))
    return _larger(load(x, i + row + column), _larger(load(x, i + row), top))


@helper
def _larger(value, best):
    """``value`` where it is above ``best`` or NaN, else ``best`` (maximum keeps its second argument if unordered)."""
    return select(value == value, maximum(value, best), value)


@helper
def _route(x, i, column, row, gradient, dx):
    """Send ``gradient`` to the value that _largest ends with (the first of equal ones), zeros to the others."""
    a, b, c, d = load(x, i), load(x, i + column), load(x, i + row), load(x, i + row + column)
    best, zero = a, splat(x, 0)
    second = _better(b, best)
    best = select(second, b, best)
    third = _better(c, best)
    best = select(third, c, best)
    fourth = _better(d, best)
    rest = select(fourth, zero, gradient)  # what the fourth leaves, then the third, then the second
    store(dx, i + row + column, select(fourth, gradient, zero))
    store(dx, i + row, select(third, rest, zero))
    rest = select(third, zero, rest)
    store(dx, i + column, select(second, rest, zero))
    store(dx, i, select(second, zero, rest))


@helper
def _better(value, best):
    """Whether ``value`` takes the place of ``best``."""
    return (value > best) | (value != value)
