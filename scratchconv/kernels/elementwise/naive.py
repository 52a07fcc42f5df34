"""Elementwise arithmetic, one element at a time: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel

# One operand.
NEG, ABS, SQRT, RELU, EXP, LOG = range(6)
# Two operands. The second line is what gradients multiply with, or are made of.
ADD, SUB, MUL, DIV, MAXIMUM = range(5)
RELU_GRADIENT, ABS_GRADIENT, SQRT_GRADIENT, SHARE, NEG_MUL = range(5, 10)
POW, POW_SLOPE, LOG_MUL = range(10, 13)


@kernel
def unary(op, x, out):
    """out[e] = f(x[e]); NaN stays NaN.

    x, out (n,) float32/64; op is a number of the first group above.
    """
    for e in range(out.size):
        v = x[e]
        if op == NEG:
            out[e] = -v
        elif op == ABS:
            out[e] = abs(v)
        elif op == SQRT:
            out[e] = np.sqrt(v)
        elif op == RELU:
            out[e] = 0.0 if v <= 0.0 else v
        elif op == EXP:
            out[e] = np.exp(v)
        elif op == LOG:
            out[e] = np.log(v)


@kernel
def binary(op, x, y, shape, x_strides, y_strides, out):
    """out[i, j, ..] = f(x[i * x_strides[0] + j * x_strides[1] + ..], y[likewise])

    for all i < shape[0], j < shape[1], .. x, y, out: flat memory, float32/64; out is dense in the order of shape;
    shape, strides (D,) int64, D >= 1.
    The last strides are 0 or 1. op is a number of the second group above:

        RELU_GRADIENT  x where y > 0, else 0        SHARE      1 / 0.5 / 0 for x larger / equal / smaller
        ABS_GRADIENT   x * sign(y)                  NEG_MUL    -(x * y)
        SQRT_GRADIENT  x / (2 * y)                  POW_SLOPE  y * x ** (y - 1), the slope of x ** y along x
                                                    LOG_MUL    y * log(x), the slope of x ** p along p if
                                                    y = x ** p; 0 for 0 ** 0
    """
    for e in range(out.size):
        rest, xi, yi = e, 0, 0
        for axis in range(shape.size - 1, -1, -1):
            xi += rest % shape[axis] * x_strides[axis]
            yi += rest % shape[axis] * y_strides[axis]
            rest //= shape[axis]
        a, b = x[xi], y[yi]
        if op == ADD:
            out[e] = a + b
        elif op == SUB:
            out[e] = a - b
        elif op == MUL:
            out[e] = a * b
        elif op == DIV:
            out[e] = a / b
        elif op == MAXIMUM:
            out[e] = a if a > b or a != a else b
        elif op == RELU_GRADIENT:
            out[e] = a if b > 0.0 else 0.0
        elif op == ABS_GRADIENT:
            out[e] = a * np.sign(b)
        elif op == SQRT_GRADIENT:
            out[e] = a / (b + b)
        elif op == SHARE:
            out[e] = 0.0 if a < b else (0.5 if a == b else 1.0)
        elif op == NEG_MUL:
            out[e] = -(a * b)
        elif op == POW:
            out[e] = a**b
        elif op == POW_SLOPE:
            out[e] = 0.0 if b == 0.0 else b * a ** (b - 1)
        elif op == LOG_MUL:
            out[e] = 0.0 if b == 0.0 or (a == 0.0 and b == 1.0) else b * np.log(a)
