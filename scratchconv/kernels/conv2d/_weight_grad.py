"""Weight and bias gradients of the direct algorithm.

The tile's rows are (tap, channel) pairs and its vectors are filters: dw is one more outer-product accumulate, reduced
over pixels. Each work item sums its own pixels from zero in registers, then adds them to the sum of its chunk; chunks
are merged in float64. There are always the same chunks, whatever the number of threads, so results are bitwise equal.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block, _groups
from scratchconv.kernels.conv2d import _weight_grad_plan as plan
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_arrays, list_source, result_stretch, take
from scratchconv.kernels.conv2d._merge import merge
from scratchconv.kernels.conv2d._plan import choose_tile
from scratchconv.kernels.conv2d._source import PLAIN, plain, read_rows

NEAR = 2  # tiles wide that a pixel of dy may be to be read where it lies, if L2 has room: farther apart they collide
LONG = 4096  # pixels of an image that bias_grad sums in registers


@inner
def _sum_pixels(shape, several, x, origin, g, images, window, dy, di, pixel, rows, total, ahead):
    """acc[r, l] = Σ_{n,i,j} x[origin of the pixel (n,i,j) + row r] * dy[n,i,j,l]   over the window of i and j

    The sum over the pixels of a work item of ``rows`` rows: ``dy`` lies at ``di``, pixel after pixel, ``pixel``
    elements apart. The tile's rows are ``shape.taps`` neighbours in memory, and so on in the next source row. Takes
    ``several`` pixels at a time. Fetches from the list ``ahead``, whose offsets count from ``total``.
    """
    simd.keep_apart()
    acc, fetched, count, line = simd.zeros(shape), 64 // dy.itemsize, several.rows, g.width * g.pixel
    offsets, neighbours = simd.grid_offsets(shape, shape.taps, line, 1), simd.grid_offsets(several, 1, pixel, 0)
    steps, rest = (window[3] - window[2]) // count, window[3] - (window[3] - window[2]) % count
    for n in range(images):
        for i in range(window[0], window[1]):
            start = origin + (n * g.height + i * g.step) * line
            d = di + (n * rows + i) * g.result_w * pixel
            next_line, last = take(ahead, 2 * count * steps)
            for j in range(window[2], rest, count):
                for k in range(2 * count):
                    simd.prefetch(total, min(next_line + k * fetched, last))
                next_line += 2 * count * fetched
                at = simd.opaque(start + j * g.column_step * g.pixel)
                if count > 1:
                    dys = simd.tile_load(several, dy, d + j * pixel, neighbours)
                    acc = simd.outer_fma_pixels(shape, several, acc, x, at, line, dys)
                else:
                    acc = simd.outer_fma(acc, x, at, offsets, dy, d + j * pixel)
            for j in range(rest, window[3]):
                at = simd.opaque(start + j * g.column_step * g.pixel)
                acc = simd.outer_fma(acc, x, at, offsets, dy, d + j * pixel)
    return acc


@inner
def _add(shape, acc, total, at, rows, n, fresh):
    """Add the first ``n`` lanes of each row of the tile to ``total``, or write them if it is ``fresh``."""
    if n >= shape.width:
        if fresh:
            simd.tile_store(acc, total, at, rows)
        else:
            simd.tile_store(acc + simd.tile_load(shape, total, at, rows), total, at, rows)
    elif fresh:
        simd.tile_store_partial(acc, total, at, rows, n)
    else:
        simd.tile_store_partial(acc + simd.tile_load_partial(shape, total, at, rows, n), total, at, rows, n)


@inner
def pad_lanes(dy, di, pixel, n, width, count, padded, at):
    """padded[at + q * width :] = n lanes of pixel q, then zeros."""
    simd.keep_apart()
    lanes = simd.lanes_of(dy)
    for q in range(count):
        for v in range(0, width, lanes):
            simd.store(padded, at + q * width + v, simd.load_partial(dy, di + q * pixel + v, n - v))


@inner
def _window(windows, r, top, rows):
    """The first and last row and column of an item, which begins in row ``top``, whose x may lie inside the image."""
    return max(0, windows[r, 0] - top), min(rows, windows[r, 1] - top), windows[r, 2], windows[r, 3]


@inner
def _fetch_sums(shape, total, at, row_at, r):
    """Ask for the tile of sums that the next product is added to."""
    for row in range(shape.rows):
        for v in range(0, shape.width, shape.lanes):
            simd.prefetch_write(total, at + row_at[r * shape.rows + row] + v)


class _Panels(NamedTuple):
    """Stretches of as many filters as a tile is wide: how many groups, panels of a group, and which a task computes."""

    groups: int
    of_group: int
    first: int
    last: int


class _Scratch(NamedTuple):
    """The memory of a task; arrays begin on a cache line, at ..._at."""

    block: np.ndarray  # x of a work item
    dense: np.ndarray  # dy of a work item that is computed,
    dense_at: int
    padded: np.ndarray  # and one panel of it
    padded_at: int
    ahead: np.ndarray


@inner
def _item(shape, several, x, origin, dy, di, g, item, tables, panels, scratch, total, at, fresh):
    """Add one work item's gradient to ``total[at:]``, a (tap and channel, filter) matrix: its filters in ``panels``."""
    padded, pi = scratch.padded, scratch.padded_at
    per_group, filters = g.channels // panels.groups, g.results // panels.groups
    images, rows, top = _block.images_of(g, item), _block.rows_of(g, item), item % g.strips * g.rows
    for panel in range(panels.first, panels.last):
        group, f = panel // panels.of_group, panel % panels.of_group * shape.width
        lane = group * filters + f
        lanes, li, pixel = dy, di + lane, g.results
        far = filters > shape.width and (g.results > NEAR * shape.width or not tables.pairs)
        if far or (f + shape.width > filters and item + 1 == _block.work_items(g)):
            pad_lanes(dy, li, pixel, filters - f, shape.width, images * rows * g.result_w, padded, pi)
            lanes, li, pixel = padded, pi, shape.width
        for r in range(tables.starts.size):
            _fetch_sums(shape, total, at + lane, tables.row_at, r)
            first = origin + group * per_group + tables.starts[r]
            acc = _sum_pixels(shape, several, x, first, g, images, _window(tables.windows, r, top, rows),
                              lanes, li, pixel, rows, total, scratch.ahead)  # fmt: skip
            to = simd.row_offsets(shape, tables.row_at, r * shape.rows)
            _add(shape, acc, total, at + lane, to, filters - f, fresh)


@helper
def _work(task, chunks, blocks, shape, several, x, dy, g, tables, groups, total):
    """total[chunk] = the gradient of its work items, for the panels of one block of filters."""
    chunk, block_of_filters, width = task // blocks, task % blocks, shape.width
    of_group = (g.results // groups + width - 1) // width
    count = groups * of_group
    panels = _Panels(groups, of_group, block_of_filters * count // blocks, (block_of_filters + 1) * count // blocks)
    pixels = g.images * g.rows * g.result_w
    block, ahead = np.empty(_block.block_size(g), total.dtype), np.empty(LIST, np.int64)
    dense, dense_at = aligned_empty(total, pixels * g.results + width if dy.kind != PLAIN else 0)
    padded, padded_at = aligned_empty(total, pixels * width)
    scratch = _Scratch(block, dense, dense_at, padded, padded_at, ahead)
    first, last = _block.chunk_of(g, chunk, chunks)
    # After the last block of filters, the thread's next task is probably that of the next items.
    following = _block.work_items(g) if block_of_filters == blocks - 1 and tables.pairs else last
    _sum_items(first, last, following, shape, several, x, dy, g, tables, panels, scratch,
               total, chunk * (total.size // chunks))  # fmt: skip


@inner
def _sum_items(first, last, following, shape, several, x, dy, g, tables, panels, scratch, total, at):
    """Write the sum of the gradients of work items to ``total[at:]``; fetch the next one ahead, below ``following``."""
    ahead = scratch.ahead
    begin_list(ahead)
    end_list(ahead, total, 1)
    for item in range(first, last):
        image, origin = _block.place(x, g, item, scratch.block)
        gradient, di = _place_gradient(dy, g, item, scratch.dense, scratch.dense_at)
        if item + 1 < following:
            begin_list(ahead)
            list_source(ahead, total, x, g, item + 1)
            list_arrays(ahead, total, dy, result_stretch(g, item + 1))
            lines = _block.images_of(g, item) * _block.rows_of(g, item) * tables.starts.size
            pixels = g.result_w - g.result_w % several.rows
            # Up to two lines a pixel, at the pace of one: what is fetched last has to arrive in time, too.
            end_list(ahead, total, pixels * lines * (panels.last - panels.first))
        _item(shape, several, image, origin, gradient, di, g, item, tables, panels, scratch, total, at, item == first)


@inner
def _place_gradient(dy, g, item, dense, di):
    """Return the array and the offset where dy of the work item begins: the source itself or ``dense[di:]``, filled."""
    if dy.kind == PLAIN:
        return dy.first, _block.result_offset(g, item)
    rows, line = _block.rows_of(g, item), g.result_w * g.results
    for n in range(_block.images_of(g, item)):
        image, row = item // g.strips * g.images + n, item % g.strips * g.rows
        read_rows(dy, image, row, rows, 0, g.result_w, dense, di + n * rows * line, line, g.results)
    return dense, di


@threaded_kernel
def _run(shape, several, x, dy, g, tables, groups, blocks, totals):
    """totals[chunk] = Σ over the chunk's work items of naive.weight_grad; see _sum_pixels

    x, dy Sources; totals (chunks, taps and channels and maybe one row more, F). Owns: a worker writes one of the
    ``blocks`` stretches of filters of totals[chunk], whatever stood there.
    Cost: that of naive plus the padding of tiles; each block reads x once from memory, then from cache.
    """
    chunks, flat = totals.shape[0], totals.reshape(-1)
    simd.run_tasks(_work, chunks * blocks, chunks, blocks, shape, several, x, dy, g, tables, groups, flat)


def run_weight_grad(x, dy, stride, padding, dilation, groups, dw, precision="exact"):
    """As weight_grad, of two Sources (see _source); there is one ``precision`` only."""
    m = _groups.merged(groups, dw.shape[3] // groups, simd.lanes(dw.dtype))
    if m > 1:
        wide = _tape.scratch((*dw.shape[:2], m * dw.shape[2], dw.shape[3]), dw.dtype)
        _run_weight_grad(x, dy, stride, padding, dilation, groups // m, wide)
        _groups.gather(wide, groups, m, dw)
    else:
        _run_weight_grad(x, dy, stride, padding, dilation, groups, dw)


def _run_weight_grad(x, dy, stride, padding, dilation, groups, dw):
    batch = x.first.size // max(1, x.rows * x.columns * x.channels)
    shapes = [(batch, source.rows, source.columns, source.channels) for source in (x, dy)]
    work = plan.work(*shapes, dw.shape, stride, padding, dilation, groups, dw.dtype, x.kind != PLAIN)
    chunks, blocks = plan.divide(work.g, dw, groups, work.shape.width, x.kind == PLAIN == dy.kind)
    if chunks == 0:
        _tape.do(dw.fill, 0)
        return
    in_place = chunks == 1 and work.exact
    totals = dw.reshape(1, -1) if in_place else _tape.scratch((chunks, dw.size + dw.shape[3]), dw.dtype)
    _run(work.shape, work.several, x, dy, work.g, work.tables, groups, blocks, totals)
    if not in_place:
        merge(totals, dw.reshape(-1))


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad; lanes are filters, rows are (tap, channel) pairs."""
    run_weight_grad(plain(x), plain(dy), stride, padding, dilation, groups, dw)


@inner
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
def _sum_images(chunk, shape, single, x, steps, totals):
    """totals[chunk] = Σ of the chunk's images: an image (or row) in registers of x's dtype, these in float64."""
    first, last = (chunk * x.shape[0] // totals.shape[0], (chunk + 1) * x.shape[0] // totals.shape[0])
    pixels, filters = x.shape[1], x.shape[2]
    row = np.empty(shape.width, x.dtype)
    for f in range(filters):
        totals[chunk, f] = 0
    for n in range(first, last):
        for f in range(0, filters, shape.width):
            _sum_image(shape, single, x, n * pixels * filters + f, pixels, filters, steps, filters - f, row)
            for lane in range(min(shape.width, filters - f)):
                totals[chunk, f + lane] += row[lane]


@threaded_kernel
def _sum_columns(shape, single, x, steps, totals, out):
    """out[f] = Σ x[n, q, f] over all images n and pixels q; x (N, pixels, F), totals float64 (chunks, F) for the parts

    Owns: a task writes totals[chunk], the caller out. Cost: one addition an element; reads x once.
    """
    simd.run_tasks(_sum_images, totals.shape[0], shape, single, x, steps, totals)
    for f in range(out.size):
        total = 0.0
        for chunk in range(totals.shape[0]):
            total += totals[chunk, f]
        out[f] = total


def bias_grad(dy, db):
    """As naive.bias_grad."""
    shape, single, steps = _summing(dy.shape[3], dy.dtype)
    totals = _tape.scratch((plan.CHUNKS, dy.shape[3]), np.float64)
    batch, rows, columns, filters = dy.shape
    # A long sum in registers loses digits: large images are taken row by row.
    stretches = (batch, rows * columns) if rows * columns <= LONG else (batch * rows, columns)
    _sum_columns(shape, single, dy.reshape(*stretches, filters), steps, totals, db)


@functools.lru_cache(maxsize=256)
def _summing(filters, dtype):
    """The tile that adds up pixels, another for one pixel, and where the rows of the first begin."""
    shape = choose_tile(filters, dtype)
    return shape, simd.TileShape(1, shape.vecs, dtype), np.arange(shape.rows) * filters
