"""Antialiased bilinear resizing, as Pillow does it, as two matrix products.

Output pixel i of a line is a weighted mean of the input pixels under a triangle centred where i's centre falls:

    y[i] = Σ_j w[i,j] x[j],    w[i,j] ∝ max(0, 1 - |j + 1/2 - (i + 1/2) s| / max(s, 1)),    s = size / new size,

each row of w summing to 1. Where the image grows (s < 1) the triangle is two pixels wide, plain bilinear interpolation;
where it shrinks, the triangle widens to cover all pixels that merge. Width and height are independent: Y = V X Hᵀ.

Pillow rounds to whole grey levels between its two passes; we keep quarters, so the results lie within one grey level
of Pillow's and nearer to Y. Everything is exact in float32: a sum of pixel × weight is below 2⁸ and a multiple of 2⁻¹⁶
along the width, and of 2⁻² · 2⁻¹⁴ along the height, 24 bits either way. So the result depends on no order of summation,
hence on no BLAS library, no number of threads, and no other image of the batch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scratchconv.data.transforms.base import Array, Transform, as_pair

LEVELS = 4  # the image between the two passes is kept in quarters of a grey level
WIDTH_BITS, HEIGHT_BITS = 16, 14  # of fraction, in the weights
BLOCK = 8  # output pixels of one product: few enough to skip most zeros of the band, enough to keep BLAS busy
GROUP_BYTES = 1 << 19  # floats of the images resized at a time: they should stay in the L2 cache

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Resize(Transform):
    """Resize pixels with antialiased bilinear interpolation (Pillow's BILINEAR).

    Parameters
    ----------
    size : int or (height, width)
        An integer is the new length of the shorter side; the ratio of the sides is kept.

    Raises
    ------
    ValueError
        If ``size`` is not a positive integer or a pair of them.
    TypeError
        On use, if the images are not uint8 (N, H, W, C): ``Resize`` comes before ``ToTensor``.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        pair = as_pair(size, "size")
        self.size = size if isinstance(size, int) else pair

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Resize a batch."""
        if images.dtype != np.uint8:
            raise TypeError(f"Resize takes uint8 (N, H, W, C) pixels (before ToTensor), got {images.dtype}")
        return resize(images, self.new_size(*images.shape[1:3]))

    def new_size(self, h: int, w: int) -> tuple[int, int]:
        """Return the (height, width) that images of H×W will have."""
        if not isinstance(self.size, int):
            return self.size
        short = min(h, w)
        return self.size * h // short, self.size * w // short

    def __repr__(self) -> str:
        return f"Resize(size={self.size})"


def resize(images: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize (N, H, W, C) pixels to ``size`` = (OH, OW), a group of images at a time in one piece of scratch memory."""
    n, h, w, c = images.shape
    oh, ow = size
    out = np.empty((n, oh, ow, c), np.uint8)
    group = max(1, min(n, GROUP_BYTES // (4 * c * max(h, oh) * max(w, ow))))
    scratch = [np.empty(group * size * c, np.float32) for size in (h * w, h * ow, oh * ow)]
    for start in range(0, n, group):
        part = slice(start, start + group)
        _resize_group(images[part], scratch, out[part])
    return out


def _resize_group(images: Pixels, scratch: list[Floats], out: Pixels) -> None:
    """Resize K images, laid out as (H, K, W, C) so that each of the two passes is a product with all their lines."""
    (k, h, w, c), (_, oh, ow, _) = images.shape, out.shape
    sizes = (h * k * w * c, h * k * ow * c, oh * k * ow * c)
    x, wide, tall = (memory[:size] for memory, size in zip(scratch, sizes, strict=True))
    x.reshape(h, k, w, c)[:] = images.transpose(1, 0, 2, 3)
    # Along the width, in quarters: lines times 4 w ⊗ I_C, in which the channels of a pixel ride along.
    lines, wide_lines = x.reshape(h * k, w * c), wide.reshape(h * k, ow * c)
    for block in _blocks(w, ow, WIDTH_BITS, c, LEVELS):
        np.matmul(lines[:, block.reads], block.weights.T, out=wide_lines[:, block.writes])
    np.rint(wide, out=wide)
    # Along the height: w / 4 times lines, plus 1/2 for the rounding, which cuts the fraction off.
    rows, tall_rows = wide.reshape(h, k * ow * c), tall.reshape(oh, k * ow * c)
    for block in _blocks(h, oh, HEIGHT_BITS, 1, 1 / LEVELS):
        np.matmul(block.weights, rows[block.reads], out=tall_rows[block.writes])
    tall += 0.5
    out[:] = tall.reshape(oh, k, ow, c).transpose(1, 0, 2, 3)


class _Block(NamedTuple):
    """The band matrix of weights, cut to some of its rows and to the columns in which they are not zero."""

    writes: slice
    reads: slice
    weights: Floats


@lru_cache(maxsize=32)
def _blocks(size: int, new_size: int, bits: int, channels: int, factor: float) -> tuple[_Block, ...]:
    """Cut ``factor`` * weights into blocks of ``BLOCK`` outputs, each entry spread over the channels of its pixel."""
    matrix = factor * weights(size, new_size, bits)
    blocks = []
    for start in range(0, new_size, BLOCK):
        rows = matrix[start : start + BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        blocks.append(
            _Block(
                slice(start * channels, (start + len(rows)) * channels),
                slice(low * channels, high * channels),
                np.kron(rows[:, low:high], np.eye(channels)).astype(np.float32),
            )
        )
    return tuple(blocks)


def weights(size: int, new_size: int, bits: int) -> npt.NDArray[np.float64]:
    """Return w (new_size, size) of the module's formula in multiples of 2⁻ᵇⁱᵗˢ, each row summing to 1 exactly."""
    scale = size / new_size
    centres = (np.arange(new_size) + 0.5) * scale
    distance = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(scale, 1.0)
    triangle = np.maximum(0.0, 1.0 - distance)
    units: npt.NDArray[np.float64] = np.rint(triangle / triangle.sum(axis=1, keepdims=True) * 2**bits)
    units[np.arange(new_size), units.argmax(axis=1)] += 2**bits - units.sum(axis=1)
    return units * 2.0**-bits
