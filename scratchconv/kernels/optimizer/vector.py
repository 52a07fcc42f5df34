"""Optimizer updates by vectors, for one parameter (as in naive) or for all of them in one call.

vs naive: arithmetic in the parameter's dtype; constants that are differences from 1 are computed in float64 first.
Elements do not interact: any number of threads gives equal bits.
Source: Kingma & Ba, arXiv:1412.6980, algorithm 1 and the end of section 2; Sutskever et al., ICML 2013, equations 3, 4.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, kernel, threaded_kernel

SPAN = 16384  # elements of one parallel piece


@kernel
def sgd(grad, lr, momentum, dampening, nesterov, weight_decay, first, buffer, param):
    """See naive. Cost: up to 6 flop and 5 elements moved for each element."""
    _sgd_span((lr, momentum, dampening, weight_decay), nesterov, first, grad, buffer, param, 0, param.size)


@kernel
def adam(grad, step, lr, beta1, beta2, eps, weight_decay, exp_avg, exp_avg_sq, param):
    """See naive. Cost: about 14 flop and 7 elements moved for each element."""
    constants = _adam_constants(step, lr, beta1, beta2, eps, weight_decay)
    _adam_span(constants, grad, exp_avg, exp_avg_sq, param, 0, param.size)


@kernel
def address(x):
    """Where the memory of x (n,) starts, for the tables below; three times faster than asking from Python."""
    return simd.address_of(x)


@threaded_kernel
def sgd_all(like, table, lr, momentum, dampening, nesterov, weight_decay, first):
    """Run sgd for each row (size, address of grad, of buffer, of param) of the int64 table; ``like`` gives the dtype.

    Owns: a piece writes a span of one parameter and of its buffer.
    """
    constants = (lr, momentum, dampening, weight_decay)
    simd.run_tasks(_sgd_piece, _count_pieces(table), like, table, constants, nesterov, first)


@threaded_kernel
def adam_all(like, table, step, lr, beta1, beta2, eps, weight_decay):
    """Run adam for each row (size, address of grad, of exp_avg, of exp_avg_sq, of param) of the int64 table.

    ``like`` gives the dtype. Owns: a piece writes a span of one parameter and of its state.
    """
    constants = _adam_constants(step, lr, beta1, beta2, eps, weight_decay)
    simd.run_tasks(_adam_piece, _count_pieces(table), like, table, constants)


@helper
def _count_pieces(table):
    pieces = 0
    for row in range(table.shape[0]):
        pieces += (table[row, 0] + SPAN - 1) // SPAN
    return pieces


@helper
def _find_piece(table, piece):
    """The row of the table that holds this piece, and where the piece begins in it."""
    row = 0
    while piece >= (table[row, 0] + SPAN - 1) // SPAN:
        piece -= (table[row, 0] + SPAN - 1) // SPAN
        row += 1
    return row, piece * SPAN


@helper
def _sgd_piece(piece, like, table, constants, nesterov, first):
    row, low = _find_piece(table, piece)
    size = table[row, 0]
    grad, param = simd.memory_at(like, table[row, 1], size), simd.memory_at(like, table[row, 3], size)
    buffer = simd.memory_at(like, table[row, 2], size)
    _sgd_span(constants, nesterov, first, grad, buffer, param, low, min(size, low + SPAN))


@helper
def _adam_piece(piece, like, table, constants):
    row, low = _find_piece(table, piece)
    size = table[row, 0]
    grad, param = simd.memory_at(like, table[row, 1], size), simd.memory_at(like, table[row, 4], size)
    exp_avg, exp_avg_sq = simd.memory_at(like, table[row, 2], size), simd.memory_at(like, table[row, 3], size)
    _adam_span(constants, grad, exp_avg, exp_avg_sq, param, low, min(size, low + SPAN))


@helper
def _sgd_span(constants, nesterov, first, grad, buffer, param, low, high):
    """The elements low..high, the last vector perhaps incomplete."""
    lr, momentum, dampening, weight_decay = constants
    decay, rate, keep = simd.splat(param, weight_decay), simd.splat(param, lr), simd.splat(param, momentum)
    share = simd.splat(param, 1.0 - dampening)
    for i in range(low, high, simd.lanes_of(param)):
        n = high - i
        p = simd.load_partial(param, i, n)
        g = simd.load_partial(grad, i, n) + decay * p
        if momentum != 0.0:
            m = g
            if not first:
                m = keep * simd.load_partial(buffer, i, n) + share * g
            simd.store_partial(buffer, i, m, n)
            if nesterov:
                g = g + keep * m
            else:
                g = m
        simd.store_partial(param, i, p - rate * g, n)


@helper
def _adam_constants(step, lr, beta1, beta2, eps, weight_decay):
    """What the elements have in common: (weight decay, 1 - β₁, β₂, 1 - β₂, sqrt(c₂), eps, lr / c₁)."""
    root = np.sqrt(1.0 - beta2**step)
    return weight_decay, 1.0 - beta1, beta2, 1.0 - beta2, root, eps, lr / (1.0 - beta1**step)


@helper
def _adam_span(constants, grad, exp_avg, exp_avg_sq, param, low, high):
    """The elements low..high, the last vector perhaps incomplete."""
    decay, share1 = simd.splat(param, constants[0]), simd.splat(param, constants[1])
    keep2, share2 = simd.splat(param, constants[2]), simd.splat(param, constants[3])
    root, eps, rate = simd.splat(param, constants[4]), simd.splat(param, constants[5]), simd.splat(param, constants[6])
    lanes = simd.lanes_of(param)
    whole = high - (high - low) % lanes
    for i in range(low, whole, lanes):
        p, m, v = simd.load(param, i), simd.load(exp_avg, i), simd.load(exp_avg_sq, i)
        g = simd.load(grad, i) + decay * p
        m = m + share1 * (g - m)
        v = keep2 * v + share2 * g * g
        simd.store(exp_avg, i, m)
        simd.store(exp_avg_sq, i, v)
        simd.store(param, i, p - rate * (m / (simd.square_root(v) / root + eps)))
    if whole < high:
        n = high - whole
        p, m = simd.load_partial(param, whole, n), simd.load_partial(exp_avg, whole, n)
        g = simd.load_partial(grad, whole, n) + decay * p
        m = m + share1 * (g - m)
        v = keep2 * simd.load_partial(exp_avg_sq, whole, n) + share2 * g * g
        simd.store_partial(exp_avg, whole, m, n)
        simd.store_partial(exp_avg_sq, whole, v, n)
        simd.store_partial(param, whole, p - rate * (m / (simd.square_root(v) / root + eps)), n)
