"""Geometry and checks that max_pool2d and avg_pool2d share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scratchconv.ops import _checks
from scratchconv.ops._layout import as_nhwc, from_nhwc
from scratchconv.ops._op import Array

Pair = int | Sequence[int]

_LARGEST = 2**31 - 1  # products of two such numbers and an image size stay inside the kernels' 64-bit indices


class Windows(NamedTuple):
    """Where the windows of a pooling lie; all pairs are (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def output_size(self, shape: tuple[int, ...], ceil_mode: bool) -> tuple[int, int]:
        """Return (OH, OW) of an input of ``shape`` (..., H, W).

        Along each axis floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1. With ``ceil_mode`` the division
        rounds up, but the last window must start inside the input or the padding before it.
        """
        sizes = []
        for size, kernel, stride, padding, dilation in zip(shape[-2:], *self, strict=True):
            room = size + 2 * padding - dilation * (kernel - 1) - 1
            count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
            if ceil_mode and (count - 1) * stride >= size + padding:
                count -= 1
            sizes.append(count)
        if min(sizes) < 1:
            raise RuntimeError(
                f"the output must have at least one row and column, got {tuple(sizes)} from input {shape}, kernel_size "
                f"{self.kernel}, stride {self.stride}, padding {self.padding}, dilation {self.dilation}"
            )
        return sizes[0], sizes[1]


def windows(kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair = 1) -> Windows:
    """Return the checked geometry; a missing stride is the kernel size.

    Raises
    ------
    TypeError
        If a value is not an integer or a pair of integers.
    RuntimeError
        If a value is out of range, or the padding more than half of the kernel size.
    """
    kernel = _in_range(1, kernel_size, "kernel_size")
    result = Windows(
        kernel,
        kernel if stride is None else _in_range(1, stride, "stride"),
        _in_range(0, padding, "padding"),
        _in_range(1, dilation, "dilation"),
    )
    if result.padding[0] > kernel[0] // 2 or result.padding[1] > kernel[1] // 2:
        raise RuntimeError(f"padding must be at most half of kernel_size {kernel}, got {result.padding}")
    return result


def _in_range(lowest: int, value: Pair, name: str) -> tuple[int, int]:
    """Return ``value`` as a pair whose parts lie between ``lowest`` and the largest 32-bit integer."""
    numbers = _checks.at_least(lowest, _checks.pair(value, name), name)
    if max(numbers) > _LARGEST:
        raise RuntimeError(f"{name} must be at most {_LARGEST}, got {numbers}")
    return numbers


def images(x: Array) -> Array:
    """Return ``x``, (N, C, H, W) or one image (C, H, W), as C-contiguous (N, H, W, C).

    Raises
    ------
    RuntimeError
        If ``x`` has another number of dimensions, or one but the batch is empty.
    """
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise RuntimeError(f"input must be (N, C, H, W) or (C, H, W), and only N may be 0, got {x.shape}")
    return as_nhwc(x if x.ndim == 4 else x[None])


def restored(y: Array, unbatched: bool) -> Array:
    """Return (N, H, W, C) ``y`` as (N, C, H, W), or as (C, H, W) if the input had no batch dimension."""
    return from_nhwc(y)[0] if unbatched else from_nhwc(y)
