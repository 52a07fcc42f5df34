"""Reductions by vectors and by short runs, whose sums are added up in float64.

vs naive: a run of at most RUN vectors is summed in the dtype of x, in several independent partial sums. The order of
every sum depends on the shape alone, so any number of threads gives equal bits.
Source: Chan, Golub & LeVeque, The American Statistician 37(3), 1983: section 3 (sums), equation 1.7 (variance).
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, threaded_kernel

RUN = 64  # vectors or rows added up in the dtype of x before float64 takes over; a multiple of 4
CHUNK = 32768  # elements of one parallel piece
COLUMNS = 128  # columns of one task: a run of them fits a first-level cache
PIECES = 16  # tasks wanted when one sum is cut into chunks


def total(x, divisor, out):
    """out[o,i] = sum_r x[o,r,i] / divisor; see naive. Owns: as _sum_chunks. Cost: O*R*I flop, x read once."""
    center = np.zeros(out.shape, x.dtype)
    out[...] = _moments(x, center, False) / divisor


def variance(x, mean, correction, out):
    """out[o,i] = sum_r (x[o,r,i] - m)² / (R - correction); see naive. Cost: 4*O*R*I flop, x read twice."""
    rows = x.shape[1]
    first, second = _moments(x, mean, False), _moments(x, mean, True)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[...] = (second - first * first / np.float64(rows)) / max(0.0, rows - correction)


@threaded_kernel
def argmax(x, values, indices):
    """See naive. Owns: iteration o writes values[o] and indices[o]. Cost: O*R*I compares, x read once."""
    simd.run_tasks(_argmax_rows, x.shape[0], x, values, indices)


@helper
def _argmax_rows(o, x, values, indices):
    _, rows, inner = x.shape
    for i in range(inner):
        values[o, i] = x[o, 0, i]
        indices[o, i] = 0
    for r in range(1, rows):
        for i in range(inner):
            v, top = x[o, r, i], values[o, i]
            if v > top or (v != v and top == top):
                values[o, i] = v
                indices[o, i] = r


def _moments(x, center, squared):
    """sum_r d or sum_r d² with d = x[o,r,i] - center[o,i], as float64 (O, I): chunk by chunk, added up in order."""
    outer, rows, inner = x.shape
    chunks, blocks = 1, (inner + COLUMNS - 1) // COLUMNS
    if outer * blocks < PIECES:
        chunks = 1 + min(PIECES, rows * inner // CHUNK, rows // RUN)
    partial = np.empty((chunks, outer, inner), np.float64)
    _sum_chunks(x, center, squared, chunks * outer * blocks, partial)
    sums = partial[0]
    for other in partial[1:]:
        sums += other
    return sums


@threaded_kernel
def _sum_chunks(x, center, squared, tasks, partial):
    """Owns: task (c, o, j) sums chunk c of the rows and block j of the columns of x[o] into that part of partial."""
    step = tasks if x.size <= CHUNK else 1  # threads cost more than they save on few numbers
    simd.run_tasks(_chunks, (tasks + step - 1) // max(step, 1), step, x, center, squared, partial)


@helper
def _chunks(first, step, x, center, squared, partial):
    """The tasks first * step to (first + 1) * step of _sum_chunks."""
    rows, inner = x.shape[1], x.shape[2]
    chunks, outer = partial.shape[0], partial.shape[1]
    run = np.empty(COLUMNS, x.dtype)
    for task in range(first * step, (first + 1) * step):
        c, o, column = task % chunks, task // chunks % outer, task // chunks // outer * COLUMNS
        low, high = c * rows // chunks, (c + 1) * rows // chunks
        if inner == 1:
            partial[c, o, 0] = _contiguous_sum(x, o * rows + low, high - low, center[o, 0], squared)
            continue
        width = min(COLUMNS, inner - column)
        for i in range(width):
            partial[c, o, column + i] = 0.0
        for r in range(low, high, RUN):
            at = (o * rows + r) * inner + column
            _column_run(x, at, min(RUN, high - r), width, center, o * inner + column, squared, run)
            for i in range(width):
                partial[c, o, column + i] += np.float64(run[i])


@helper
def _deviation(v, center, squared):
    """Return v - center, squared if asked."""
    d = v - center
    if squared:
        return d * d
    return d


@helper
def _contiguous_sum(x, at, n, center, squared):
    """Sum of n neighbours: four vectors of partial sums for each run of RUN vectors."""
    lanes, flat = simd.lanes_of(x), x.reshape(x.size)
    shift, zero = simd.splat(x, center), simd.splat(x, 0.0)
    result = 0.0
    whole = n - n % (4 * lanes)
    for start in range(0, whole, RUN * lanes):
        a, b, c, d = zero, zero, zero, zero
        for i in range(at + start, at + min(whole, start + RUN * lanes), 4 * lanes):
            a = a + _deviation(simd.load(x, i), shift, squared)
            b = b + _deviation(simd.load(x, i + lanes), shift, squared)
            c = c + _deviation(simd.load(x, i + 2 * lanes), shift, squared)
            d = d + _deviation(simd.load(x, i + 3 * lanes), shift, squared)
        result += np.float64(simd.sum_lanes((a + b) + (c + d)))
    for i in range(at + whole, at + n):
        result += np.float64(_deviation(flat[i], center, squared))
    return result


@helper
def _column_run(x, at, rows, width, center, center_at, squared, run):
    """run[i] = sum over rows of the deviations in column i; each vector of columns keeps two partial sums."""
    lanes, step = simd.lanes_of(x), x.shape[2]
    even = rows - rows % 2
    for i in range(0, width - width % lanes, lanes):
        shift = simd.load(center, center_at + i)
        a = b = simd.splat(x, 0.0)
        for j in range(at + i, at + i + even * step, 2 * step):
            a = a + _deviation(simd.load(x, j), shift, squared)
            b = b + _deviation(simd.load(x, j + step), shift, squared)
        if even < rows:
            a = a + _deviation(simd.load(x, at + i + even * step), shift, squared)
        simd.store(run, i, a + b)
    i = width - width % lanes
    if i < width:
        n = width - i
        shift = simd.load_partial(center, center_at + i, n)
        a = simd.splat(x, 0.0)
        for r in range(rows):
            a = a + _deviation(simd.load_partial(x, at + r * step + i, n), shift, squared)
        simd.store_partial(run, i, a, n)
