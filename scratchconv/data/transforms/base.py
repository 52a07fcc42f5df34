"""What a transform is, and how several become one.

A transform maps a whole batch of images to a new batch, never changing the one it was given. Batches are 4-D and come
in two forms, told apart by their dtype:

* pixels: uint8 (N, H, W, C), as the datasets hold them (grey images have C = 1);
* floats: float32 or float64 (N, C, H, W), as the layers take them (``ToTensor`` makes them channels-last in memory).

``ToTensor`` leads from the first to the second; the geometric transforms (``Resize``, ``RandomCrop``,
``RandomHorizontalFlip``) work on either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scratchconv.autograd.random import generator

Array = npt.NDArray[Any]
BatchTransform = Callable[[Array], Array]


class Transform(ABC):
    """A map from a batch of images to a batch of images.

    Subclasses say what they do in :meth:`apply`; the random ones draw from the generator they are handed there.
    """

    def __call__(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """Transform a batch.

        Parameters
        ----------
        images : uint8 (N, H, W, C) or float (N, C, H, W)
            Left unchanged; the result may share its memory only where nothing had to be done.
        rng : numpy.random.Generator, optional
            Source of the random choices, which are made for each image on its own. The ``DataLoader`` hands in one
            that its seed determines; the default is the one that ``scratchconv.manual_seed`` seeds.

        Raises
        ------
        ValueError
            If ``images`` is not 4-D, or its size does not suit the transform.
        TypeError
            If the dtype of ``images`` does not suit the transform.
        """
        if images.ndim != 4:
            raise ValueError(
                f"{self!r} works on batches of images, uint8 (N, H, W, C) or float (N, C, H, W), but got shape "
                f"{images.shape}; index one image as images[None], give grey images a channel as images[..., None]"
            )
        return self.apply(images, generator() if rng is None else rng)

    @abstractmethod
    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Transform a 4-D batch, drawing random choices from ``rng``."""


class Compose(Transform):
    """Transforms applied one after another.

    Parameters
    ----------
    transforms : sequence of Transform or callable
        A callable that is not a ``Transform`` is called with the batch alone.

    Examples
    --------
    >>> from scratchconv.data import transforms as T
    >>> T.Compose([T.Resize(40), T.RandomHorizontalFlip(), T.RandomCrop(32), T.ToTensor()])
    Compose(Resize(size=40), RandomHorizontalFlip(p=0.5), RandomCrop(size=(32, 32), padding=0), ToTensor())
    """

    def __init__(self, transforms: Sequence[Transform | BatchTransform]) -> None:
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(f"Compose takes transforms or functions of a batch, got {transform!r}")

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Apply each transform to the result of the one before."""
        for transform in self.transforms:
            images = transform(images, rng) if isinstance(transform, Transform) else transform(images)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def is_pixels(images: Array) -> bool:
    """Whether a batch holds uint8 (N, H, W, C) pixels; if not, it holds floats (N, C, H, W).

    Raises
    ------
    TypeError
        If the dtype is neither.
    """
    if images.dtype == np.uint8:
        return True
    if np.issubdtype(images.dtype, np.floating):
        return False
    raise TypeError(f"images are uint8 (N, H, W, C) or floating (N, C, H, W), got {images.dtype} {images.shape}")


def as_rows(images: Array) -> Array:
    """Return a batch of either form as C-contiguous (N, H, W, C), without a copy where its memory already lies so."""
    return np.ascontiguousarray(images if is_pixels(images) else images.transpose(0, 2, 3, 1))


def from_rows(rows: Array) -> Array:
    """Return (N, H, W, C) as a batch in the form that belongs to its dtype: the inverse of :func:`as_rows`."""
    return rows if is_pixels(rows) else rows.transpose(0, 3, 1, 2)


def as_pair(size: int | tuple[int, int], name: str) -> tuple[int, int]:
    """Return (height, width) from one number or a pair.

    Raises
    ------
    ValueError
        If a number is not a positive integer, or there are not two.
    """
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise ValueError(f"{name} is a positive integer or a pair (height, width) of them, got {size!r}")
    return pair[0], pair[1]
