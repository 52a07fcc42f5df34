"""Winograd's convolution F(m x m', r x r'): fewer multiplications than the formula has.

What it changes against direct: an m x m' tile of results needs (m + r - 1)(m' + r' - 1) products a channel pair instead
of m m' r r'. Source patches d and kernels g are transformed once (V = B'dB, U = GgG'), multiplied plane by plane as
matrices (M = Σ_c V U, the same register tile as in direct), and transformed back (y = A'MA). ``_cook_toom`` derives the
matrices. README.md has the count and the error of each size.

The input gradient is the same computation on dy with the kernels turned round; the weight gradient transforms x and
dy, multiplies them, and transforms back with the transposed matrices: dw = G' [Σ_tiles (B'dB) (A dy A')] G. With stride
2 the matrices are those of all phases side by side.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block, _winograd_backward
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_finish, list_source
from scratchconv.kernels.conv2d._finish import finish_item, finish_pixels
from scratchconv.kernels.conv2d._panels import turned_copy
from scratchconv.kernels.conv2d._prepared import Prepared
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._weight_grad import bias_grad
from scratchconv.kernels.conv2d._weight_grad import run_weight_grad as direct_weight_grad
from scratchconv.kernels.conv2d._winograd_tiles import (
    Part,
    clear_padding,
    comes_in_parts,
    multiply,
    rows_before,
    transform_patches,
    transform_results,
)
from scratchconv.kernels.conv2d._winograd_weights import transform_weights

__all__ = [
    "applies",
    "bias_grad",
    "forward",
    "input_grad",
    "joins",
    "pays",
    "prepare_forward",
    "run_backward",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

CHUNKS = 64  # work items are dealt to at most so many tasks, each with its own scratch
JOINED = 0.6  # share of L2 that the sums for dw may fill in a joint backward pass


def applies(taps, stride, dilation, groups, channels=1, precision="exact"):
    """Whether this algorithm computes a convolution that adds up ``channels``, as exactly as ``precision`` promises."""
    known = stride[0] == stride[1] and plan.is_accurate(precision, tuple(taps), stride[0], channels)
    return known and groups == 1 and tuple(dilation) == (1, 1)


def pays(channels, filters, pixels):
    """Whether it is faster than direct: channels to share the patches' transforms, pixels to share the kernels'."""
    return min(channels, filters) >= 10 and pixels >= 256


# ---------------------------------------------------------------- forward and input gradient


@inner
def _part_of_item(maps, ahead, g, tiling, part, s, start, weights, bias, before):
    """Compute one group of tiles of a work item whose source lies in the scratch ``s``.

    As many results ``before`` them need no room.
    """
    shape, lanes = maps.tile, simd.lanes_of(s)
    source, products = start + tiling.source_at, start + tiling.result_at
    transform_patches(maps.source, g, tiling, part, s, start + tiling.block_at,
                      s, source, tiling.source_plane, tiling.group * lanes, lanes, ahead)  # fmt: skip
    for panel in range(tiling.width // shape.width):
        w = panel * tiling.depth * shape.width
        multiply(maps, tiling, part.tiles, s, source, weights, w, products, ahead)
        transform_results(maps.result, shape, g, tiling, part, s, products, bias, panel * shape.width,
                          s, start + tiling.out_at - before, start)  # fmt: skip


@helper
def _items(chunk, chunks, maps, source, g, tiling, weights, bias, y, finish):
    """Compute the work items of one chunk."""
    first, last = _block.chunk_of(g, chunk, chunks)
    s, start = aligned_empty(y, tiling.scratch)
    ahead = np.empty(LIST, np.int64)
    clear_padding(s, start + tiling.block_at, g)
    parted = comes_in_parts(tiling, finish.kind)
    for item in range(first, last):
        height = _block.result_rows_of(g, item)
        rows = (height + g.spread - 1) // g.spread
        _block.fill_block(source, g, item, s, start + tiling.block_at)
        tiles = _block.images_of(g, item) * rows * tiling.columns
        steps = (tiles + maps.tile.rows - 1) // maps.tile.rows * (tiling.width // maps.tile.width) * tiling.depth
        begin_list(ahead)
        list_finish(ahead, s, finish, y, g, item, source)
        list_source(ahead, s, source, g, item + 1)
        end_list(ahead, s, steps * maps.source.rows * maps.source.columns)
        for tile in range(0, tiles, tiling.group):
            part = Part(rows, item % g.strips * g.rows * g.spread, tile, min(tiling.group, tiles - tile))
            before = rows_before(tile // tiling.columns, rows, g.spread, height) * g.result_w if parted else 0
            _part_of_item(maps, ahead, g, tiling, part, s, start, weights, bias, before * g.results)
            if parted:
                after = rows_before((tile + part.tiles) // tiling.columns, rows, g.spread, height) * g.result_w
                finish_pixels(finish, g, item, before, after - before, s, start + tiling.out_at, y)
        if not parted:
            finish_item(finish, g, item, s, start + tiling.out_at, y)
    simd.settle()


@threaded_kernel
def _run(maps, source, g, tiling, weights, bias, y, finish):
    """y[·] = bias + A'[Σ_c (B'dB) ⊙ U]A for every tile; see naive.forward

    source, y flat NHWC; weights U (planes, panels, C, width). Owns: a worker writes all results of its work items.
    Cost: planes / (m m' r r') of the multiplications of naive, plus the transforms; scratch stays within L2.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_items, chunks, chunks, maps, source, g, tiling, weights, bias, y, finish)


def _prepare(source, w, bias, maps, corner, step, y):
    """The convolution of sources like ``source`` with ``w`` (r, r', C, F) into arrays like ``y`` (N, OH, OW, F)."""
    source_shape = (y.shape[0], source.rows, source.columns, source.channels)
    g, tiling = plan.forward(source_shape, y.shape, corner, step, maps)
    weights = transform_weights(maps, w, tiling)
    padded_bias = np.zeros(tiling.width, y.dtype)
    _tape.do(np.copyto, padded_bias[: bias.size], bias)
    return Prepared(_run, (maps,), g, (tiling, weights, padded_bias))


# ---------------------------------------------------------------- the contract


def prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision="exact"):
    """Make run_forward ready for sources like ``source`` and results like ``y``, whose numbers are not looked at."""
    taps, s = w.shape[:2], stride[0]
    tile = plan.choose_results(precision, taps, s, w.shape[2])
    maps = plan.forward_transforms(tile, taps, s, w.shape[3], y.dtype)
    corner, step = tuple(-p for p in padding), tuple(s * m for m in tile)
    return _prepare(source, w, b, maps, corner, step, y)


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish).

    ``precision`` is a row of ``TILES``: "exact", or "fast" with fewer multiplications and more error.
    """
    prepared = prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision)
    return prepared.run(source, y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    taps, s = w.shape[:2], stride[0]
    tile = plan.choose_results(precision, taps, s, w.shape[3])
    maps = plan.backward_transforms(tile, taps, s, padding, w.shape[2], w.shape[3], dx.dtype)
    no_bias = np.zeros(dx.shape[3], dx.dtype)
    prepared = _prepare(source, turned_copy(w), no_bias, maps, plan.first_input(taps, s, padding), tile, dx)
    return prepared.run(source, dx, make_finish)


def run_weight_grad(x, dy, stride, padding, dilation, groups, dw, precision="exact"):
    """As weight_grad, of two Sources."""
    batch = x.first.size // max(1, x.rows * x.columns * x.channels)
    tile = plan.choose_results(precision, dw.shape[:2], stride[0], batch * dy.rows * dy.columns, plan.WEIGHT_TILES)
    if tile == plan.DIRECT:
        direct_weight_grad(x, dy, stride, padding, dilation, groups, dw)
    else:
        _winograd_backward.launch(x, dy, None, stride[0], padding, tile, np.empty((batch, 0), dw.dtype), dw, None)


def joins(w, stride, pixels, precision="exact"):
    """Whether run_backward is as exact and pays, for kernels ``w`` (r, r', C, F) and as many ``pixels`` of y."""
    taps, filters = w.shape[:2], w.shape[3]
    tile = plan.choose_results(precision, taps, stride[0], filters)
    most = plan.choose_results(precision, taps, stride[0], pixels, plan.WEIGHT_TILES)
    if tile[0] * tile[1] > most[0] * most[1]:
        return False
    return plan.kernel_planes(tile, taps, stride[0]) * w[0, 0].nbytes <= JOINED * simd.cache_bytes(2)


def run_backward(x, dy, w, stride, padding, dilation, groups, dx, dw, make_finish=None, precision="exact"):
    """As run_input_grad and run_weight_grad together, if it ``joins``: x and dy are read once."""
    tile = plan.choose_results(precision, w.shape[:2], stride[0], w.shape[3])
    return _winograd_backward.launch(x, dy, w, stride[0], padding, tile, dx, dw, make_finish)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, where it applies."""
    run_forward(plain(x), w, b, stride, padding, dilation, groups, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, likewise."""
    run_input_grad(plain(dy), w, stride, padding, dilation, groups, dx)


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad, likewise."""
    run_weight_grad(plain(x), plain(dy), stride, padding, dilation, groups, dw)
