"""Elementwise arithmetic, one vector at a time and parallel over spans of the output.

vs naive: the same function of the same numbers, so the same bits, except that exp, log and pow come from the C library
at the precision of the dtype. Spans do not interact: any number of threads gives equal bits.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.kernels.elementwise.naive import (
    ABS,
    ABS_GRADIENT,
    ADD,
    DIV,
    EXP,
    LOG,
    LOG_MUL,
    MAXIMUM,
    MUL,
    NEG,
    POW,
    POW_SLOPE,
    RELU_GRADIENT,
    SHARE,
    SQRT,
    SQRT_GRADIENT,
    SUB,
)

SPAN = 16384  # elements of one parallel piece: long enough to hide its start, short enough to share out evenly


@threaded_kernel
def unary(op, x, out):
    """See naive. Owns: span s writes out[s * SPAN : (s + 1) * SPAN]. Cost: n flop, 2n elements moved."""
    size = _span(out.size)
    simd.run_tasks(_unary_span, (out.size + size - 1) // size, size, op, x, out)


@threaded_kernel
def binary(op, x, y, shape, x_strides, y_strides, out):
    """See naive. Owns: span s writes out[s * SPAN : (s + 1) * SPAN]. Cost: n flop, up to 3n elements moved."""
    size = _span(out.size)
    simd.run_tasks(_binary_span, (out.size + size - 1) // size, size, op, x, y, shape, x_strides, y_strides, out)


@helper
def _span(n):
    """Elements of one task: all of few."""
    return max(n, 1) if n <= 2 * SPAN else SPAN


@helper
def _unary_span(s, size, op, x, out):
    low, high = s * size, min(out.size, (s + 1) * size)
    if op == EXP:
        for e in range(low, high):
            out[e] = np.exp(x[e])
    elif op == LOG:
        for e in range(low, high):
            out[e] = np.log(x[e])
    else:
        lanes = simd.lanes_of(out)
        whole = high - (high - low) % lanes
        for e in range(low, whole, lanes):
            simd.store(out, e, _transform(op, out, simd.load(x, e)))
        if whole < high:
            v = simd.load_partial(x, whole, high - whole)
            simd.store_partial(out, whole, _transform(op, out, v), high - whole)


@helper
def _transform(op, out, v):
    """Return f(v) for a vector v of the dtype of out."""
    if op == NEG:
        return simd.splat(out, -1.0) * v
    if op == ABS:
        return simd.absolute(v)
    if op == SQRT:
        return simd.square_root(v)
    zero = simd.splat(out, 0.0)  # RELU
    return simd.select(v <= zero, zero, v)


@helper
def _binary_span(s, size, op, x, y, shape, x_strides, y_strides, out):
    """Fill span s of out, one piece of a row (of the last axis) after the other."""
    low, high = s * size, min(out.size, (s + 1) * size)
    last = shape.size - 1
    e = low
    while e < high:
        rest = e // shape[last]
        column = e - rest * shape[last]
        xi, yi = column * x_strides[last], column * y_strides[last]
        for axis in range(last - 1, -1, -1):
            above = rest // shape[axis]
            k = rest - above * shape[axis]
            xi += k * x_strides[axis]
            yi += k * y_strides[axis]
            rest = above
        count = min(shape[last] - column, high - e)
        if op < POW:
            _vector_row(op, x, xi, x_strides[last], y, yi, y_strides[last], out, e, count)
        else:
            _scalar_row(op, x, xi, x_strides[last], y, yi, y_strides[last], out, e, count)
        e += count


@helper
def _vector_row(op, x, xi, x_step, y, yi, y_step, out, at, n):
    lanes = simd.lanes_of(out)
    whole = n - n % lanes
    if x_step == 1 and y_step == 1:
        _both_in_order(op, x, xi, y, yi, out, at, whole)
    else:
        for j in range(0, whole, lanes):
            a, b = _operand(x, xi, x_step, j), _operand(y, yi, y_step, j)
            simd.store(out, at + j, _combine(op, out, a, b))
    if whole < n:
        rest = n - whole
        a, b = _operand_partial(x, xi, x_step, whole, rest), _operand_partial(y, yi, y_step, whole, rest)
        simd.store_partial(out, at + whole, _combine(op, out, a, b), rest)


@helper
def _both_in_order(op, x, xi, y, yi, out, at, n):
    """The most frequent case: the two most frequent functions have loops of their own, without a choice inside."""
    lanes = simd.lanes_of(out)
    if op == ADD:
        for j in range(0, n, lanes):
            simd.store(out, at + j, simd.load(x, xi + j) + simd.load(y, yi + j))
    elif op == RELU_GRADIENT:
        zero = simd.splat(out, 0.0)
        for j in range(0, n, lanes):
            simd.store(out, at + j, simd.select(simd.load(y, yi + j) > zero, simd.load(x, xi + j), zero))
    else:
        for j in range(0, n, lanes):
            simd.store(out, at + j, _combine(op, out, simd.load(x, xi + j), simd.load(y, yi + j)))


@helper
def _operand(x, i, step, j):
    """Load the vector x[i + j * step :] along a row: numbers if step is 1, one number in all lanes if it is 0."""
    if step == 1:
        return simd.load(x, i + j)
    return simd.splat(x, x[i])


@helper
def _operand_partial(x, i, step, j, n):
    if step == 1:
        return simd.load_partial(x, i + j, n)
    return simd.splat(x, x[i])


@helper
def _combine(op, out, a, b):
    """Return f(a, b) for vectors of the dtype of out."""
    zero = simd.splat(out, 0.0)
    if op == ADD:
        return a + b
    if op == SUB:
        return a - b
    if op == MUL:
        return a * b
    if op == DIV:
        return a / b
    if op == MAXIMUM:
        return simd.select(a != a, a, simd.maximum(a, b))
    if op == RELU_GRADIENT:
        return simd.select(b > zero, a, zero)
    if op == ABS_GRADIENT:
        one = simd.splat(out, 1.0)
        return a * simd.select(b > zero, one, simd.select(b < zero, zero - one, b))
    if op == SQRT_GRADIENT:
        return a / (b + b)
    if op == SHARE:
        unequal = simd.select(a < b, zero, simd.splat(out, 1.0))
        return simd.select(a == b, simd.splat(out, 0.5), unequal)
    return simd.splat(out, -1.0) * (a * b)  # NEG_MUL


@helper
def _scalar_row(op, x, xi, x_step, y, yi, y_step, out, at, n):
    for j in range(n):
        a, b = x[xi + j * x_step], y[yi + j * y_step]
        if op == POW:
            out[at + j] = a**b
        elif op == POW_SLOPE:
            out[at + j] = 0.0 if b == 0.0 else b * a ** (b - 1)
        elif op == LOG_MUL:
            out[at + j] = 0.0 if b == 0.0 or (a == 0.0 and b == 1.0) else b * np.log(a)
