"""Two-dimensional max pooling, as in PyTorch: the first maximum wins and NaN propagates."""

from __future__ import annotations

from typing import Any, NamedTuple

from scratchconv.kernels.max_pool2d import vector
from scratchconv.ops import _checks, _pooling
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array
from scratchconv.ops._pooling import Pair, Windows


class Saved(NamedTuple):
    """What the gradient needs."""

    x: Array  # (N, H, W, C)
    windows: Windows
    unbatched: bool


def forward(
    x: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Saved]:
    """Return the largest value of each window of ``x`` (N, C, H, W): y (N, C, OH, OW) in channels-last memory.

    Padding does not take part; a missing ``stride`` is the kernel size. OH and OW are those of
    :meth:`Windows.output_size`. An image without batch dimension, (C, H, W), gives (C, OH, OW).

    Raises
    ------
    TypeError
        If a size is not an integer or a pair of integers, or ``ceil_mode`` not a truth value.
    RuntimeError
        If the geometry or the shape does not fit.
    NotImplementedError
        If ``x`` is not float32 or float64.
    """
    windows = _pooling.windows(kernel_size, stride, padding, dilation)
    ceil_mode = _checks.truth(ceil_mode, "ceil_mode")
    dtype = _checks.supported(x, "max_pool2d")
    images = _pooling.images(x)
    y = empty((len(images), *windows.output_size(x.shape, ceil_mode), images.shape[3]), dtype)
    vector.forward(images, *windows, y)
    return _pooling.restored(y, x.ndim == 3), Saved(images, windows, x.ndim == 3)


def output_shape(x: Array, **geometry: Any) -> tuple[int, ...]:
    """Return the shape of ``forward(x, **geometry)``; raises as it does."""
    ceil_mode = _checks.truth(geometry.pop("ceil_mode", False), "ceil_mode")
    windows = _pooling.windows(**{"stride": None, "padding": 0, **geometry})
    _checks.supported(x, "max_pool2d")
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        _pooling.images(x)  # raises
    return (*x.shape[:-2], *windows.output_size(x.shape, ceil_mode))


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None]:
    """Gradient of x: each element of ``dy`` goes to the winner of its window."""
    if not needs[0]:
        return (None,)
    dx = empty(saved.x.shape, saved.x.dtype)
    vector.backward(saved.x, _pooling.images(dy), *saved.windows, dx)
    return (_pooling.restored(dx, saved.unbatched),)
