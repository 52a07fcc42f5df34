"""Weight and bias gradients of the direct algorithm.

The tile's rows are (tap, channel) pairs and its vectors are filters: dw is one more outer-product accumulate, reduced
over pixels. Each work item sums its own pixels from zero in registers, then adds them to the sum of its chunk; chunks
are merged in float64. There are always the same chunks, whatever the number of threads, so results are bitwise equal.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, parallel_kernel, prange
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d._plan import Limits, choose_tile, cut, forward_direction

CHUNKS = 16  # partial sums of dw
SCRATCH = 32 << 20  # bytes that all partial sums may take together; at least two are kept
LONG = 4096  # pixels of an image that bias_grad sums in registers


@helper
def _sum_pixels(shape, x, origin, g, images, rows, taps, dy, di, pixel):
    """acc[r, l] = Σ_{n,i,j} x[start of the pixel (n,i,j)'s window + taps[r]] * dy[n,i,j,l]

    The sum over the pixels of a work item: ``dy`` lies at ``di``, pixel after pixel, ``pixel`` elements apart.
    """
    acc = simd.zeros(shape)
    for n in range(images):
        for i in range(rows):
            start = origin + (n * g.height + i * g.step) * g.width * g.pixel
            for j in range(g.result_w):
                window = simd.opaque(start + j * g.column_step * g.pixel)
                acc = simd.outer_fma(acc, x, window, taps, dy, di)
                di += pixel
    return acc


@helper
def _add(shape, acc, total, at, rows, n):
    """Add the first ``n`` lanes of each row of the tile to ``total``."""
    if n >= shape.width:
        simd.tile_store(acc + simd.tile_load(shape, total, at, rows), total, at, rows)
    else:
        simd.tile_store_partial(acc + simd.tile_load_partial(shape, total, at, rows, n), total, at, rows, n)


@helper
def _pad_lanes(dy, di, pixel, n, width, count, padded):
    """padded[q, :] = n lanes of pixel q, then zeros."""
    lanes = simd.lanes_of(dy)
    for q in range(count):
        for v in range(0, width, lanes):
            simd.store(padded, q * width + v, simd.load_partial(dy, di + q * pixel + v, n - v))


@helper
def _item(shape, x, origin, dy, di, g, images, rows, taps, row_at, groups, padded, total, at):
    """Add one work item's gradient to ``total[at:]``, a (tap and channel, filter) matrix."""
    per_group, filters = g.channels // groups, g.results // groups
    for group in range(groups):
        for f in range(0, filters, shape.width):
            lane = group * filters + f
            panel, pi, pixel = dy, di + lane, g.results
            if filters > shape.width or f + shape.width > filters:
                _pad_lanes(dy, pi, pixel, filters - f, shape.width, images * rows * g.result_w, padded)
                panel, pi, pixel = padded, 0, shape.width
            for r in range(0, taps.size, shape.rows):
                window = simd.row_offsets(shape, taps, r)
                acc = _sum_pixels(shape, x, origin + group * per_group, g, images, rows, window, panel, pi, pixel)
                _add(shape, acc, total, at + lane, simd.row_offsets(shape, row_at, r), filters - f)


@helper
def _work(shape, x, dy, g, first, last, taps, row_at, groups, total, at):
    """total[at:] = the gradient of the work items first..last-1."""
    block = np.empty(_block.block_size(g), x.dtype)
    padded = np.empty(g.images * g.rows * g.result_w * shape.width, x.dtype)
    fill_zero(total, at, taps.size * g.results)
    for item in range(first, last):
        image, origin = _block.place(x, g, item, block)
        di, images, rows = _block.result_offset(g, item), _block.images_of(g, item), _block.rows_of(g, item)
        _item(shape, image, origin, dy, di, g, images, rows, taps, row_at, groups, padded, total, at)


@parallel_kernel
def _run(shape, x, dy, g, taps, row_at, groups, totals):
    """totals[chunk] = Σ over the chunk's work items of naive.weight_grad; see _sum_pixels

    x, dy flat NHWC; totals (chunks, taps and channels, F). Owns: a worker writes totals[chunk].
    Cost: that of naive plus the padding of tiles; reads x and dy once from memory, then from cache.
    """
    items, chunks = _block.work_items(g), totals.shape[0]
    for chunk in prange(chunks):
        first, last = chunk * items // chunks, (chunk + 1) * items // chunks
        _work(shape, x, dy, g, first, last, taps, row_at, groups, totals, chunk * totals[0].size)


@parallel_kernel
def merge(totals, out):
    """out[i] = Σ_chunk totals[chunk, i] in float64, chunk after chunk. Owns: a worker writes its elements of out."""
    for i in prange(out.size):
        total = np.float64(0)
        for chunk in range(totals.shape[0]):
            total += totals[chunk, i]
        out[i] = total


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad; lanes are filters, rows are (tap, channel) pairs."""
    dims = zip(x.shape[1:3], dy.shape[1:3], dw.shape[:2], stride, padding, dilation, strict=True)
    row, column = (forward_direction(*dim) for dim in dims)
    shape = choose_tile(dy.shape[3] // groups, x.dtype)
    strip = cut(row, column, x.shape[0], x.shape[3], x.itemsize, _limits(x.shape[3] * x.itemsize))
    g = _block.describe(x, dy, strip, row, column)
    taps = _tap_offsets(g, dw.shape, dilation, shape.rows)
    chunks = max(2, min(CHUNKS, SCRATCH // max(1, dw.nbytes)))
    totals = np.empty((chunks, taps.size, dw.shape[3]), x.dtype)
    row_at = np.arange(taps.size) * dw.shape[3]
    _run(shape, x.reshape(-1), dy.reshape(-1), g, taps, row_at, groups, totals)
    merge(totals.reshape(chunks, -1), dw.reshape(-1))


def _limits(pixel_bytes):
    """Work items whose dy panel and touched lines of x share half of L1: the same pixels go by for every tile."""
    pixels = simd.cache_bytes(1) // 2 // (64 + min(64, pixel_bytes))
    return Limits(simd.cache_bytes(2) // 4, pixels, pixels)


def _tap_offsets(g, shape, dilation, rows):
    """Offset of each (u, v, c) from a pixel's first source element, repeated at the end to fill the last tile."""
    u, v, c = np.indices(shape[:3]).reshape(3, -1)
    offsets = (u * dilation[0] * g.width + v * dilation[1]) * g.pixel + c
    return np.pad(offsets, (0, -offsets.size % rows), "edge").astype(np.int64)


@helper
def _sum_image(shape, single, x, at, pixels, pitch, steps, n, row):
    """Sum ``n`` lanes of the pixels of one image into ``row``: ``rows`` pixels at a time, then the rest one by one."""
    acc = simd.zeros(shape)
    whole = pixels // shape.rows * shape.rows
    for q in range(0, whole, shape.rows):
        acc = acc + simd.tile_load_partial(shape, x, at + q * pitch, simd.row_offsets(shape, steps, 0), n)
    total = simd.column_sums(acc)
    for q in range(whole, pixels):
        total = total + simd.tile_load_partial(single, x, at + q * pitch, (0,), n)
    simd.tile_store(total, row, 0, (0,))


@helper
def _sum_images(shape, single, x, first, last, steps, totals, chunk):
    """totals[chunk] = Σ of the images first..last-1: an image (or row) in registers of x's dtype, these in float64."""
    pixels, filters = x.shape[1], x.shape[2]
    row = np.empty(shape.width, x.dtype)
    for f in range(filters):
        totals[chunk, f] = 0
    for n in range(first, last):
        for f in range(0, filters, shape.width):
            _sum_image(shape, single, x, n * pixels * filters + f, pixels, filters, steps, filters - f, row)
            for lane in range(min(shape.width, filters - f)):
                totals[chunk, f + lane] += row[lane]


@parallel_kernel
def _sum_columns(shape, single, x, steps, totals):
    """totals[chunk, f] = Σ x[n, q, f] over the chunk's images n and all pixels q; x (N, pixels, F), totals float64

    Owns: a worker writes totals[chunk]. Cost: one addition an element; reads x once.
    """
    chunks, images = totals.shape[0], x.shape[0]
    for chunk in prange(chunks):
        _sum_images(shape, single, x, chunk * images // chunks, (chunk + 1) * images // chunks, steps, totals, chunk)


def bias_grad(dy, db):
    """As naive.bias_grad."""
    shape = choose_tile(dy.shape[3], dy.dtype)
    totals = np.empty((CHUNKS, dy.shape[3]))
    steps = np.arange(shape.rows) * dy.shape[3]
    single = simd.TileShape(1, shape.vecs, dy.dtype)
    batch, rows, columns, filters = dy.shape
    # A long sum in registers loses digits: large images are taken row by row.
    stretches = (batch, rows * columns) if rows * columns <= LONG else (batch * rows, columns)
    _sum_columns(shape, single, dy.reshape(*stretches, filters), steps, totals)
    merge(totals, db)
