"""A data set whose images and labels lie in memory as two arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.data.transforms.base import Array, BatchTransform, Compose, Transform


class ArrayDataset:
    """Images and their labels, with the transform to be applied when they are taken out.

    Parameters
    ----------
    images : uint8 (N, H, W) or (N, H, W, C)
    labels : integer (N,)
        Indices into ``classes``.
    classes : sequence of str, optional
        The names of the classes.
    transform : Transform or callable, optional
        Applied to whole batches, (N, H, W, C): grey images are given C = 1 first.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If the images are not uint8 or the labels not integers.

    Examples
    --------
    >>> import numpy as np
    >>> from scratchconv.data import ArrayDataset, transforms
    >>> data = ArrayDataset(np.zeros((5, 28, 28), np.uint8), np.arange(5), transform=transforms.ToTensor())
    >>> image, label = data[3]
    >>> image.shape, label
    ((1, 28, 28), 3)
    """

    def __init__(
        self,
        images: Array,
        labels: npt.ArrayLike,
        classes: Sequence[str] = (),
        transform: Transform | BatchTransform | None = None,
    ) -> None:
        indices = np.asarray(labels)
        if images.dtype != np.uint8 or not np.issubdtype(indices.dtype, np.integer):
            raise TypeError(f"images are uint8 and labels integers, got {images.dtype} and {indices.dtype}")
        if images.ndim not in (3, 4) or indices.shape != images.shape[:1]:
            raise ValueError(
                f"images are (N, H, W) or (N, H, W, C) and labels (N,), got {images.shape} and {indices.shape}"
            )
        self.images: npt.NDArray[np.uint8] = images
        self.labels: npt.NDArray[np.int64] = indices.astype(np.int64)
        self.classes = tuple(classes)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return (image, label): the image transformed, as a Tensor once it is floating, else as a uint8 array."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} images")
        image = self.batch(np.array([index]))[0]
        return Tensor(image) if np.issubdtype(image.dtype, np.floating) else image, int(self.labels[index])

    def batch(self, indices: npt.NDArray[np.int64], rng: np.random.Generator | None = None) -> Array:
        """Return the images at ``indices``, transformed: float (N, C, H, W) if that is what the transform makes.

        Without a transform they are uint8 (N, H, W, C). ``rng`` is handed to random transforms.
        """
        images = self.images[indices]
        if images.ndim == 3:
            images = images[..., None]
        return images if self.transform is None else Compose([self.transform])(images, rng)

    def subset(self, indices: npt.NDArray[np.int64] | Sequence[int] | slice) -> ArrayDataset:
        """Return the data set of the images at ``indices``, with the same classes and transform."""
        chosen = indices if isinstance(indices, slice) else np.asarray(indices, np.int64)
        return ArrayDataset(self.images[chosen], self.labels[chosen], self.classes, self.transform)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images {self.images.shape[1:]}, transform={self.transform!r})"
