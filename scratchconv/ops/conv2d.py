"""Two-dimensional convolution (cross-correlation, as in PyTorch) of batches of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchconv.ops import _checks, _convolution
from scratchconv.ops._convolution import Geometry
from scratchconv.ops._layout import as_khwcf, as_nhwc, from_khwcf, from_nhwc
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array

fresh = True  # see _op.Op


class Saved(NamedTuple):
    """What the gradients need."""

    x: Array  # (N, H, W, C)
    w: Array  # (KH, KW, C/G, F)
    geometry: Geometry
    unbatched: bool


def forward(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[Array, Saved]:
    """Convolve ``x`` (N, C, H, W) with ``w`` (F, C/G, KH, KW) and add ``b`` (F,).

    Returns y (N, F, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, in channels-last memory.
    An image without batch dimension, (C, H, W), gives (F, OH, OW).

    Raises
    ------
    TypeError
        If stride, padding, dilation or groups are not integers.
    RuntimeError
        If shapes, dtypes or the geometry do not fit.
    """
    geometry, size = check(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)
    dtype, unbatched = x.dtype, x.ndim == 3
    images, weights = as_nhwc(x[None] if unbatched else x), as_khwcf(w)
    y = empty((images.shape[0], *size, w.shape[0]), dtype)
    bias = np.zeros(w.shape[0], dtype) if b is None else np.ascontiguousarray(b)
    _convolution.forward(images, weights, bias, geometry, y)
    result = from_nhwc(y)
    return (result[0] if unbatched else result), Saved(images, weights, geometry, unbatched)


def check(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[Geometry, tuple[int, int]]:
    """Return the geometry and (OH, OW), or raise as ``forward`` says."""
    geometry = Geometry(
        _checks.at_least(1, _checks.pair(stride, "stride"), "stride"),
        _checks.at_least(0, _checks.pair(padding, "padding"), "padding"),
        _checks.at_least(1, _checks.pair(dilation, "dilation"), "dilation"),
        _checks.integer(groups, "groups"),
    )
    _check_shapes(x, w, b, geometry.groups)
    _checks.same_dtype(input=x, weight=w, bias=b)
    return geometry, output_size(x.shape, w.shape, geometry)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
    """Gradients of x, w and b (where ``needs`` says so) from ``dy``, the gradient of y."""
    x, w, geometry, unbatched = saved
    dy = as_nhwc(dy[None] if unbatched else dy)
    dx = empty(x.shape, x.dtype) if needs[0] else None
    dw = empty(w.shape, w.dtype) if needs[1] else None
    db = None
    _convolution.backward(x, dy, w, geometry, dx, dw)
    if dx is not None:
        dx = from_nhwc(dx)[0] if unbatched else from_nhwc(dx)
    if dw is not None:
        dw = from_khwcf(dw)
    if len(needs) > 2 and needs[2]:
        db = empty((w.shape[3],), w.dtype)
        _convolution.bias_grad(dy, db)
    return (dx, dw, db)[: len(needs)]


def output_size(x: tuple[int, ...], w: tuple[int, ...], geometry: Geometry) -> tuple[int, int]:
    """(OH, OW) of an input of shape ``x`` (..., H, W) and a weight of shape ``w`` (F, C/G, KH, KW)."""
    sizes = []
    for size, taps, stride, padding, dilation in zip(x[-2:], w[2:], *geometry[:3], strict=True):
        span = dilation * (taps - 1) + 1
        if size + 2 * padding < span:
            raise RuntimeError(
                f"the kernel must fit into the padded input: it spans {span}, the input {size} + 2 * {padding}; got "
                f"input {x}, weight {w}, padding {geometry.padding}, dilation {geometry.dilation}"
            )
        sizes.append((size + 2 * padding - span) // stride + 1)
    return sizes[0], sizes[1]


def _check_shapes(x: Array, w: Array, b: Array | None, groups: int) -> None:
    """Raise RuntimeError unless input, weight and bias belong together."""
    got = f"got input {x.shape}, weight {w.shape}, bias {None if b is None else b.shape}, groups {groups}"
    if x.ndim not in (3, 4) or w.ndim != 4:
        raise RuntimeError(f"input must be (N, C, H, W) or (C, H, W) and weight (F, C/groups, KH, KW), {got}")
    if groups < 1 or w.shape[0] % groups:
        raise RuntimeError(f"groups must be a positive integer that divides the number of filters, {got}")
    if x.shape[-3] != w.shape[1] * groups:
        raise RuntimeError(f"the input must have groups * weight.shape[1] = {w.shape[1] * groups} channels, {got}")
    if 0 in w.shape or 0 in x.shape[-3:]:
        raise RuntimeError(f"only the batch may be empty, {got}")
    if b is not None and b.shape != w.shape[:1]:
        raise RuntimeError(f"bias must have one number a filter, shape {w.shape[:1]}, {got}")
