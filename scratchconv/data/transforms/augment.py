"""Random transforms. Each image of a batch gets its own draw; the batch is moved as one array."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratchconv.data.transforms.base import Array, Transform, as_pair, as_rows, from_rows


class RandomHorizontalFlip(Transform):
    """Mirror each image left to right with probability ``p``.

    Raises
    ------
    ValueError
        If ``p`` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability in [0, 1], got {p!r}")
        self.p = p

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Flip the chosen images of a batch."""
        rows = as_rows(images)
        chosen = np.flatnonzero(rng.random(len(rows)) < self.p)
        flipped = rows.copy()
        source = rows[chosen]
        # One channel at a time: long strided runs, where reversing pixels of C numbers would be runs of C.
        for c in range(rows.shape[3]):
            flipped[chosen, :, :, c] = source[:, :, ::-1, c]
        return from_rows(flipped)

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop(Transform):
    """Cut a window of ``size`` from each image, its corner uniform over all places that lie inside.

    Parameters
    ----------
    size : int or (height, width)
    padding : int
        Zeros put around the images first, this many on each of the four sides.

    Raises
    ------
    ValueError
        If an argument is not such a number; on use, if the window is larger than the padded images.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size = as_pair(size, "size")
        if not isinstance(padding, int) or padding < 0:
            raise ValueError(f"padding is an integer of at least 0, got {padding!r}")
        self.padding = padding

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Cut one window from each image of a batch."""
        rows = _zero_padded(as_rows(images), self.padding)
        n, h, w, c = rows.shape
        oh, ow = self.size
        if oh > h or ow > w:
            raise ValueError(
                f"crop {self.size} is larger than the images: {images.shape}, {h}×{w} with padding={self.padding}"
            )
        top = rng.integers(0, h - oh + 1, n)
        left = rng.integers(0, w - ow + 1, n)
        # A view of all windows that start at any number of a line, (N, H-OH+1, W*C-OW*C+1, OH, OW*C); N are gathered.
        windows = sliding_window_view(rows.reshape(n, h, w * c), (oh, ow * c), axis=(1, 2))
        return from_rows(windows[np.arange(n), top, left * c].reshape(n, oh, ow, c))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


def _zero_padded(rows: Array, padding: int) -> Array:
    if padding == 0:
        return rows
    n, h, w, c = rows.shape
    padded = np.zeros((n, h + 2 * padding, w + 2 * padding, c), rows.dtype)
    padded[:, padding:-padding, padding:-padding] = rows
    return padded
