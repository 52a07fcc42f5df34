"""Hypothesis strategies for geometry, memory layout and dtype: the one place where tests draw shapes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Pair = tuple[int, int]


class ConvGeometry(NamedTuple):
    """A convolution: everything that decides its shapes. Channels and filters count all groups together."""

    batch: int
    size: Pair
    channels: int
    kernel: Pair
    filters: int
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def x_shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return self.batch, self.channels, *self.size

    @property
    def w_shape(self) -> tuple[int, ...]:
        """(F, C/G, KH, KW)."""
        return self.filters, self.channels // self.groups, *self.kernel

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(N, F, OH, OW)."""
        return self.batch, self.filters, *self.out

    @property
    def out(self) -> Pair:
        """(OH, OW)."""
        h, w = (
            (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
            for size, taps, stride, padding, dilation in zip(
                self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return h, w

    @property
    def params(self) -> dict[str, Any]:
        """The keyword arguments of conv2d."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    @property
    def depthwise(self) -> bool:
        """Whether every channel is a group with one filter."""
        return self.groups == self.channels == self.filters


class PoolGeometry(NamedTuple):
    """A pooling: the shape of its input and its keyword arguments."""

    x_shape: tuple[int, ...]
    params: dict[str, Any]


def _pairs(lowest: int, highest: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(lowest, highest), st.integers(lowest, highest))


def _sizes(draw: Callable[..., Any], kernel: Pair, padding: Pair, dilation: Pair) -> Pair:
    """An image that the kernel fits into once it is padded; often smaller than the kernel, often no multiple of it."""
    lowest = (max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True))
    h, w = (draw(st.integers(low, low + 8)) for low in lowest)
    return h, w


KINDS = ("dense", "grouped", "depthwise")


@st.composite
def channel_counts(draw: Callable[..., Any], kinds: tuple[str, ...] = KINDS) -> tuple[int, int, int]:
    """(channels, filters, groups) of one of ``kinds``, with tails that fill no vector and no tile."""
    kind = draw(st.sampled_from(kinds))
    if kind == "dense":
        return draw(st.integers(1, 12)), draw(st.integers(1, 36)), 1
    if kind == "grouped":
        groups = draw(st.integers(2, 4))
        return draw(st.integers(1, 4)) * groups, draw(st.integers(1, 10)) * groups, groups
    channels = draw(st.integers(2, 19))
    return channels, channels, channels


@st.composite
def conv_geometries(draw: Callable[..., Any], *, kinds: tuple[str, ...] = KINDS) -> ConvGeometry:
    """Any convolution that is small: stride, padding, dilation and size differ between the dimensions."""
    kernel, stride, dilation = draw(_pairs(1, 4)), draw(_pairs(1, 3)), draw(_pairs(1, 3))
    padding = draw(_pairs(0, 4))
    size = _sizes(draw, kernel, padding, dilation)
    channels, filters, groups = draw(channel_counts(kinds))
    return ConvGeometry(draw(st.integers(0, 3)), size, channels, kernel, filters, stride, padding, dilation, groups)


WINOGRAD_CHANNELS = (1, 3, 5, 16, 17, 33, 70)  # vectors with a tail, whole ones, two panels; 70 has smaller tiles


@st.composite
def winograd_geometries(draw: Callable[..., Any]) -> ConvGeometry:
    """A convolution that Winograd's kernels compute: any padding, sizes that no tile divides."""
    kernel, stride = draw(st.sampled_from([((3, 3), (1, 1)), ((3, 3), (2, 2)), ((5, 5), (1, 1))]))
    padding = draw(_pairs(0, 5))
    channels, filters = (draw(st.sampled_from(WINOGRAD_CHANNELS)) for _ in range(2))
    size = _sizes(draw, kernel, padding, (1, 1))
    return ConvGeometry(draw(st.integers(0, 3)), size, channels, kernel, filters, stride, padding)


@st.composite
def dilated_geometries(draw: Callable[..., Any]) -> ConvGeometry:
    """A convolution that falls apart into phases: padding is a multiple of dilation, sizes need not be."""
    kernel, dilation = draw(st.sampled_from([(3, 3), (3, 3), (5, 5)])), draw(_pairs(1, 4).filter(lambda d: max(d) > 1))
    padding = (draw(st.integers(0, 2)) * dilation[0], draw(st.integers(0, 2)) * dilation[1])
    channels, filters = (draw(st.sampled_from(WINOGRAD_CHANNELS[:-1])) for _ in range(2))
    size = _sizes(draw, kernel, padding, dilation)
    return ConvGeometry(draw(st.integers(0, 2)), size, channels, kernel, filters, (1, 1), padding, dilation)


@st.composite
def row_geometries(draw: Callable[..., Any], most_channels: int) -> ConvGeometry:
    """A convolution that the kernels with row reuse compute, forward and backward: few channels, wide images."""
    kernel = draw(st.sampled_from([(3, 3), (1, 3), (4, 3)]))
    padding = draw(_pairs(0, 4))
    size = max(1, kernel[0] - 2 * padding[0]) + draw(st.integers(0, 6)), draw(st.integers(16, 36))
    channels, filters = (draw(st.integers(1, most_channels)) for _ in range(2))
    return ConvGeometry(draw(st.integers(0, 3)), size, channels, kernel, filters, (1, 1), padding)


@st.composite
def pool_geometries(draw: Callable[..., Any], *, dilation: bool = True) -> PoolGeometry:
    """Any pooling that is small; without ``dilation`` for avg_pool2d, which has none."""
    kernel, stride = draw(_pairs(1, 4)), draw(_pairs(1, 4))
    spread = draw(_pairs(1, 2)) if dilation else (1, 1)
    padding = draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))
    size = _sizes(draw, kernel, padding, spread)
    params = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    shape = draw(st.integers(0, 3)), draw(st.integers(1, 20)), *size
    return PoolGeometry(shape, params | ({"dilation": spread} if dilation else {}))


dtypes: st.SearchStrategy[Any] = st.sampled_from([np.float32, np.float64])


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -3, -1)), -1, -3)


def _reversed(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1]


def _every_other(x: np.ndarray) -> np.ndarray:
    wide = np.full([2 * size + 1 for size in x.shape], np.nan, x.dtype)
    part = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    part[...] = x
    return part


def _some_channels(x: np.ndarray) -> np.ndarray:
    """Channels-last memory with two more channels than are used."""
    wide = np.full((*x.shape[:-3], *x.shape[-2:], x.shape[-3] + 2), np.nan, x.dtype)
    part = np.moveaxis(wide[..., 1:-1], -1, -3)
    part[...] = x
    return part


# Equal values in other memory, for arrays (..., C, H, W). What lies between the values is NaN.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": np.ascontiguousarray,
    "channels last": _channels_last,
    "negative strides": _reversed,
    "every other element": _every_other,
    "some channels": _some_channels,
    "fortran": np.asfortranarray,
}
layouts = st.sampled_from(sorted(LAYOUTS))
