"""A convolution layer that draws what a fused convolution reads and receives, and the plain form of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.ops import conv2d
from scratchconv.ops._convolution import Geometry
from scratchconv.ops.fused_conv import Gradient, Reading, Target
from tests.strategies import ConvGeometry

Array = np.ndarray[Any, Any]

READINGS = ("plain", "activation", "skip", "skip affine")
GRADIENTS = ("plain", "batch norm", "pooled")
TARGETS = ("nothing else", "extra", "sums", "extra and sums", "two sums")


class Layer(NamedTuple):
    """Draws arrays for one convolution."""

    g: ConvGeometry
    dtype: type
    rng: np.random.Generator

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.g.stride, self.g.padding, self.g.dilation, self.g.groups)

    @property
    def x(self) -> tuple[int, ...]:
        return (self.g.batch, *self.g.size, self.g.channels)

    @property
    def y(self) -> tuple[int, ...]:
        return (self.g.batch, *self.g.out, self.g.filters)

    @property
    def w(self) -> tuple[int, ...]:
        return (*self.g.kernel, self.g.channels // self.g.groups, self.g.filters)

    def draw(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def room(self, *shape: int) -> Array:
        return np.full(shape, np.nan, self.dtype)

    def reading(self, kind: str, out: Array | None = None) -> Reading:
        z, (scale, shift, skip_scale, skip_shift) = self.draw(*self.x), self.draw(4, self.g.channels)
        if kind == "plain":
            return Reading(z)
        if kind == "activation":
            return Reading(z, scale, shift, out=out)
        if kind == "skip":
            return Reading(z, scale, shift, self.draw(*self.x), out=out)
        return Reading(z, scale, shift, self.draw(*self.x), skip_scale, skip_shift, out)

    def gradient(self, kind: str) -> Gradient:
        if kind == "plain":
            return Gradient(self.draw(*self.y))
        a, b, mean, c = self.draw(4, self.g.filters)
        if kind == "batch norm":
            return Gradient(self.draw(*self.y), self.draw(*self.y), a, b, mean, c)
        y = self.rng.integers(-2, 3, self.y).astype(self.dtype)  # full of ties
        selected = windows(y).max((2, 4))
        return Gradient(self.draw(*selected.shape), y, a, b, mean, c, selected)

    def target(self, kind: str, reading: Reading, stored: Array | None) -> Target:
        channels, sums = self.g.channels, "sums" in kind
        z = reading.z if reading.scale is not None else self.draw(*self.x)
        return Target(
            self.room(*self.x),
            mask=stored,
            extra=self.draw(*self.x) if "extra" in kind else None,
            z=z if sums else None,
            mean=self.draw(channels) if sums else None,
            z2=self.draw(*self.x) if kind == "two sums" else None,
            mean2=self.draw(channels) if kind == "two sums" else None,
        )


def layer_of(g: ConvGeometry, dtype: type) -> Layer:
    return Layer(g, dtype, np.random.default_rng(0))


def windows(y: Array) -> Array:
    """(N, OH // 2, 2, OW // 2, 2, F): what 2x2 windows see."""
    n, h, w, f = y.shape
    return y[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, f)


def activation(r: Reading) -> Array:
    """What a reading stands for, in float64."""
    if r.scale is None:
        return r.z.astype(np.float64)
    a = r.z.astype(np.float64) * r.scale + r.shift
    if r.skip is not None:
        a = a + (r.skip if r.skip_scale is None else r.skip.astype(np.float64) * r.skip_scale + r.skip_shift)
    return np.maximum(a, 0)


def gradient_of_y(d: Gradient) -> Array:
    """What a gradient stands for, in float64."""
    if d.y is None:
        return d.g.astype(np.float64)
    g = d.g
    if d.selected is not None:
        g = np.zeros_like(d.y)
        equal = windows(d.y) == d.selected[:, :, None, :, None]
        ordered = np.moveaxis(equal, 2, 3).reshape(
            *d.selected.shape[:3], 4, d.y.shape[3]
        )  # the window's pixels, row by row
        first = ordered & (np.cumsum(ordered, 3) == 1)
        pixels = np.moveaxis(first.reshape(*d.selected.shape[:3], 2, 2, d.y.shape[3]), 3, 2)
        windows(g)[...] = np.where(pixels, d.g[:, :, None, :, None], 0)
    assert d.mean is not None
    return d.a * g.astype(np.float64) + d.b * (d.y.astype(np.float64) - d.mean) + d.c


def nchw(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


def convolve(a: Array, w: Array, b: Array | None, g: ConvGeometry) -> tuple[Array, Any]:
    """The plain operation on (N, H, W, C) and (KH, KW, C/G, F), in float64."""
    y, saved = conv2d.forward(
        nchw(a).astype(np.float64),
        w.transpose(3, 2, 0, 1).astype(np.float64),
        b if b is None else b.astype(float),
        **g.params,
    )
    return y.transpose(0, 2, 3, 1), saved
