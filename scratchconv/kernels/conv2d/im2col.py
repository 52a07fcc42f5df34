"""Convolution as a matrix product: every output pixel's window is written out as a row of a matrix of patches.

What it changes against naive: all the work becomes one product, patches (OH*OW, KH*KW*C/G) x weights (KH*KW*C/G, F/G),
for which fast code exists. What it costs: the patches repeat each input pixel up to KH*KW times, and that matrix is
written to memory and read back, image by image.

The input gradient is the product's adjoint, dy x weights^T, with its rows added back to where they came from (col2im);
the weight gradient is patches^T x dy. Source: Chellapilla et al., High performance convolutional neural networks for
document processing, 2006, section 3.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel
from scratchconv.kernels.conv2d.direct import bias_grad
from scratchconv.kernels.matmul.tiled import matmul

__all__ = ["bias_grad", "forward", "input_grad", "weight_grad"]


@kernel
def _gather(x, first, stride, padding, dilation, patches):
    """patches[i,j,u,v,c] = x[i*s+u*d-p, j*s+v*d-p, first+c], 0 outside the image

    x (H,W,C) one image, patches (OH,OW,KH,KW,C/G). Owns: one thread writes all. Cost: one write an element.
    """
    rows, columns, taps_u, taps_v, channels = patches.shape
    for i in range(rows):
        for j in range(columns):
            for u in range(taps_u):
                h = i * stride[0] + u * dilation[0] - padding[0]
                for v in range(taps_v):
                    q = j * stride[1] + v * dilation[1] - padding[1]
                    inside = 0 <= h < x.shape[0] and 0 <= q < x.shape[1]
                    for c in range(channels):
                        patches[i, j, u, v, c] = x[h, q, first + c] if inside else 0


@kernel
def _scatter(patches, first, stride, padding, dilation, x):
    """x[i*s+u*d-p, j*s+v*d-p, first+c] += patches[i,j,u,v,c] inside the image: the adjoint of _gather

    Owns: one thread writes all, so overlapping windows add up in a fixed order. Cost: one addition an element.
    """
    rows, columns, taps_u, taps_v, channels = patches.shape
    for i in range(rows):
        for j in range(columns):
            for u in range(taps_u):
                h = i * stride[0] + u * dilation[0] - padding[0]
                for v in range(taps_v):
                    q = j * stride[1] + v * dilation[1] - padding[1]
                    if 0 <= h < x.shape[0] and 0 <= q < x.shape[1]:
                        for c in range(channels):
                            x[h, q, first + c] += patches[i, j, u, v, c]


def _groups(w, groups):
    """For each group: its first channel, its filters, its weights as a contiguous (KH*KW*C/G, F/G) matrix."""
    channels, filters = w.shape[2], w.shape[3] // groups
    for g in range(groups):
        lanes = slice(g * filters, (g + 1) * filters)
        yield g * channels, lanes, np.ascontiguousarray(w[..., lanes]).reshape(-1, filters)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, image by image and group by group."""
    patches = np.empty((*y.shape[1:3], *w.shape[:3]), x.dtype)
    matrix = patches.reshape(y.shape[1] * y.shape[2], -1)
    for first, lanes, weights in _groups(w, groups):
        product = np.empty((matrix.shape[0], weights.shape[1]), x.dtype)
        for n in range(x.shape[0]):
            _gather(x[n], first, stride, padding, dilation, patches)
            matmul(matrix, weights, False, False, product)
            y[n, ..., lanes] = product.reshape(*y.shape[1:3], -1) + b[lanes]


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, image by image and group by group."""
    patches = np.empty((*dy.shape[1:3], *w.shape[:3]), dy.dtype)
    matrix = patches.reshape(dy.shape[1] * dy.shape[2], -1)
    dx[...] = 0
    for first, lanes, weights in _groups(w, groups):
        for n in range(dy.shape[0]):
            gradient = np.ascontiguousarray(dy[n, ..., lanes]).reshape(matrix.shape[0], -1)
            matmul(gradient, weights, False, True, matrix)
            _scatter(patches, first, stride, padding, dilation, dx[n])


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad, image by image and group by group; images are added in float64."""
    patches = np.empty((*dy.shape[1:3], *dw.shape[:3]), x.dtype)
    matrix = patches.reshape(dy.shape[1] * dy.shape[2], -1)
    for first, lanes, weights in _groups(dw, groups):
        product, total = np.empty_like(weights), np.zeros(weights.shape)
        for n in range(x.shape[0]):
            _gather(x[n], first, stride, padding, dilation, patches)
            gradient = np.ascontiguousarray(dy[n, ..., lanes]).reshape(matrix.shape[0], -1)
            matmul(matrix, gradient, True, False, product)
            total += product
        dw[..., lanes] = total.reshape(*dw.shape[:3], -1)
