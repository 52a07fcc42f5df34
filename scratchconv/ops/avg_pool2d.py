"""Two-dimensional average pooling, as in PyTorch."""

from __future__ import annotations

from typing import NamedTuple

from scratchconv.kernels.avg_pool2d import vector
from scratchconv.ops import _checks, _pooling
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array
from scratchconv.ops._pooling import Pair, Windows


class Saved(NamedTuple):
    """What the gradient needs."""

    shape: tuple[int, ...]  # of x as (N, H, W, C)
    windows: Windows
    count_include_pad: bool
    divisor: int  # 0: the number of taps
    unbatched: bool


def forward(
    x: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, Saved]:
    """Return the mean of each window of ``x`` (N, C, H, W): y (N, C, OH, OW) in channels-last memory.

    The sum of a window is divided by the number of its taps: without those in the padding unless
    ``count_include_pad``, and always without those beyond the padding, which ``ceil_mode`` allows. A
    ``divisor_override`` is divided by instead. OH and OW are those of :meth:`Windows.output_size`. An image without
    batch dimension, (C, H, W), gives (C, OH, OW).

    Raises
    ------
    TypeError
        If a size or the divisor is not an integer, or a flag not a truth value.
    RuntimeError
        If the geometry or the shape does not fit, or the divisor is zero.
    ValueError
        If the divisor has more than 64 bits.
    NotImplementedError
        If ``x`` is not float32 or float64.
    """
    windows = _pooling.windows(kernel_size, stride, padding)
    ceil_mode = _checks.truth(ceil_mode, "ceil_mode")
    count = _checks.truth(count_include_pad, "count_include_pad")
    divisor = _divisor(divisor_override)
    dtype = _checks.supported(x, "avg_pool2d")
    images = _pooling.images(x)
    y = empty((len(images), *windows.output_size(x.shape, ceil_mode), images.shape[3]), dtype)
    vector.forward(images, *windows[:3], count, divisor, y)
    return _pooling.restored(y, x.ndim == 3), Saved(images.shape, windows, count, divisor, x.ndim == 3)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None]:
    """Gradient of x: each tap of a window gets an equal part of its element of ``dy``."""
    if not needs[0]:
        return (None,)
    dx = empty(saved.shape, dy.dtype)
    vector.backward(_pooling.images(dy), *saved.windows[:3], saved.count_include_pad, saved.divisor, dx)
    return (_pooling.restored(dx, saved.unbatched),)


def _divisor(override: int | None) -> int:
    """Return the divisor as the kernels take it: 0 stands for the number of taps."""
    if override is None:
        return 0
    divisor = _checks.integer(override, "divisor_override")
    if divisor == 0:
        raise RuntimeError("divisor_override must not be 0")
    if not -(2**63) <= divisor < 2**63:
        raise ValueError(f"divisor_override must fit into 64 bits, got {divisor}")
    return divisor
