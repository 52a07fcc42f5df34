"""From pixels to what a network takes: scaling to [0, 1] and normalising."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scratchconv.data.transforms.base import Array, Transform, as_rows, from_rows


class ToTensor(Transform):
    """uint8 (N, H, W, C) pixels to float32 (N, C, H, W) in [0, 1]: y = x / 255.

    The result keeps the order of the pixels in memory (channels-last), so nothing is moved: it is the transposed view
    of one new C-contiguous (N, H, W, C) array.
    """

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Scale and transpose a batch."""
        if images.dtype != np.uint8:
            raise TypeError(f"ToTensor takes uint8 (N, H, W, C) pixels, got {images.dtype} {images.shape}")
        rows = np.ascontiguousarray(images)
        # A division, not a product with 1/255, which rounds some values differently from PyTorch.
        return from_rows(np.divide(rows, np.float32(255), dtype=np.float32))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize(Transform):
    """y[n,c,h,w] = (x[n,c,h,w] - mean[c]) / std[c] on floating (N, C, H, W) images.

    Parameters
    ----------
    mean, std : float or sequence of float
        One number for each channel, or one for all.

    Raises
    ------
    ValueError
        If their lengths differ, or some std is not positive.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, np.float64))
        self.std = np.atleast_1d(np.asarray(std, np.float64))
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(f"mean and std need one number for each channel, got mean={mean!r} and std={std!r}")
        if not (self.std > 0).all():
            raise ValueError(f"std must be positive, got {std!r}")

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Normalise a batch; float32 stays float32."""
        if not np.issubdtype(images.dtype, np.floating):
            raise TypeError(f"Normalize takes floating (N, C, H, W) images (after ToTensor), got {images.dtype}")
        rows = as_rows(images)
        n, h, w, c = rows.shape
        if len(self.mean) not in (1, c):
            raise ValueError(f"Normalize has {len(self.mean)} channels, the images {images.shape} have {c}")
        # Whole rows of W*C numbers against repeated mean and std: NumPy is slow at inner loops of three.
        mean, std = (np.tile(np.broadcast_to(v.astype(rows.dtype), c), w) for v in (self.mean, self.std))
        y = rows.reshape(n, h, w * c) - mean
        y /= std
        return from_rows(y.reshape(rows.shape))

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean.tolist()}, std={self.std.tolist()})"
