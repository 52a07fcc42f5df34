"""Convolution with 3x3 kernels, stride 2 and padding 1: the layers of a network that halve its images.

What it changes against direct: the scratch holds one vector of channels after the other (``_strided_plan``), so the
places of a tile's pixels are constants of the compiled code instead of tables; a number of dy that is loaded serves all
four phases of dx; and the backward pass makes both gradients from one copy of x and dy.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty
from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.kernels.conv2d import _block, _strided_backward
from scratchconv.kernels.conv2d import _strided_plan as plan
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_source
from scratchconv.kernels.conv2d._finish import finish_item
from scratchconv.kernels.conv2d._prepared import Prepared
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._strided_tiles import clear_slabs, convolve, fill_slabs
from scratchconv.kernels.conv2d._strided_weights import pack_forward
from scratchconv.kernels.conv2d._weight_grad import bias_grad

__all__ = [
    "applies",
    "bias_grad",
    "forward",
    "input_grad",
    "pays",
    "prepare_forward",
    "run_backward",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

CHUNKS = 64  # work items are dealt to at most so many tasks, each with its own scratch


def applies(taps, stride, padding, dilation, groups):
    """Whether this algorithm computes such a convolution."""
    geometry = (*taps, *stride, *padding, *dilation, groups)
    return geometry == (*[plan.TAPS] * 2, *[plan.STRIDE] * 2, *[plan.PADDING] * 2, 1, 1, 1)


def pays(channels, filters, columns, dtype):
    """Whether it is faster than direct: whole vectors, for ``columns`` of results little is lost to whole tiles."""
    lanes = simd.lanes(dtype)
    wide = plan.round_up(columns, plan.forward_tile(columns, dtype).rows)
    return channels % lanes == 0 and filters % (2 * lanes) == 0 and 4 * wide <= 5 * columns


@helper
def _items(chunk, chunks, shape, source, g, layout, weights, bias, y, finish):
    """Compute the work items of one chunk."""
    first, last = _block.chunk_of(g, chunk, chunks)
    s, start = aligned_empty(y, layout.scratch)
    ahead = np.empty(LIST, np.int64)
    panel = weights.size // weights.shape[0]
    clear_slabs(s, start + layout.x_at, layout.x_slab, g)
    wide = (g.result_w + shape.rows - 1) // shape.rows
    for item in range(first, last):
        images, rows = _block.images_of(g, item), _block.rows_of(g, item)
        begin_list(ahead)
        list_source(ahead, s, source, g, item + 1)
        end_list(ahead, s, images * rows * wide * (weights.size // shape.width))
        fill_slabs(source, g, item, s, start + layout.x_at, layout.x_slab)
        for p in range(weights.shape[0]):
            for n in range(images):
                convolve(shape, s, start, layout, g, n, rows, weights, p * panel, bias, p * shape.width, ahead)
        finish_item(finish, g, item, s, start + layout.out_at, y)
    simd.settle()


@threaded_kernel
def _run(shape, source, g, layout, weights, bias, y, finish):
    """y[n,i,j,f] = bias[f] + Σ_{u,v,c} x[n, 2i+u-1, 2j+v-1, c] w[u,v,c,f]; see naive.forward

    source a Source, y flat NHWC; weights (panels, KH, slabs, KW, lanes, width); bias (panels * width,).
    Owns: a worker writes all results of its work items. Cost: that of naive; reads a source row about once.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_items, chunks, chunks, shape, source, g, layout, weights, bias, y, finish)


def prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision="exact"):
    """Make run_forward ready for sources like ``source`` and results like ``y``, whose numbers are not looked at.

    There is one ``precision`` only.
    """
    shape = plan.forward_tile(y.shape[2], y.dtype)
    g, layout = plan.forward((y.shape[0], source.rows, source.columns, source.channels), y.shape, y.dtype)
    weights = pack_forward(w, shape.lanes, shape.width)
    bias = np.zeros(weights.shape[0] * shape.width, y.dtype)
    _tape.do(np.copyto, bias[: b.size], b)
    return Prepared(_run, (shape,), g, (layout, weights, bias))


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish)."""
    return prepare_forward(source, w, b, stride, padding, dilation, groups, y).run(source, y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    return _strided_backward.launch(plain(dx), source, w, dx, None, make_finish, dx.shape[0])


def run_weight_grad(x, dy, stride, padding, dilation, groups, dw, precision="exact"):
    """As weight_grad, of two Sources."""
    batch = x.first.size // max(1, x.rows * x.columns * x.channels)
    _strided_backward.launch(x, dy, None, np.empty((0,), dw.dtype), dw, None, batch)


def run_backward(x, dy, w, stride, padding, dilation, groups, dx, dw, make_finish=None, precision="exact"):
    """As run_input_grad and run_weight_grad together: x and dy are read once."""
    return _strided_backward.launch(x, dy, w, dx, dw, make_finish, dx.shape[0])


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, where it applies."""
    run_forward(plain(x), w, b, stride, padding, dilation, groups, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, likewise."""
    run_input_grad(plain(dy), w, stride, padding, dilation, groups, dx)


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad, likewise."""
    run_weight_grad(plain(x), plain(dy), stride, padding, dilation, groups, dw)
