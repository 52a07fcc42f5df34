"""Batches of a data set, in a seeded random order, gathered and transformed as whole arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.autograd.random import generator
from scratchconv.data.dataset import ArrayDataset
from scratchconv.data.transforms.base import Array

Indices = npt.NDArray[np.int64]


class DataLoader:
    """Iterates over a data set in batches of (images, labels), as Tensors.

    Each ``for`` loop is an epoch. With an integer seed, the order of epoch e and its random transforms depend on the
    seed and e alone: ``loader.epoch`` is the next e, and setting it resumes there. Without, each epoch draws a seed of
    its own from the generator given, or from the one that ``scratchconv.manual_seed`` seeds.

    Parameters
    ----------
    dataset : ArrayDataset
        Its ``transform`` is applied to whole batches; without one the images stay uint8 (N, H, W, C).
    batch_size : int
    shuffle : bool
        Whether the order is random, and new in each epoch, or that of the data set.
    drop_last : bool
        Whether to leave out the last batch if it is smaller than the others.
    seed : int or numpy.random.Generator, optional

    Raises
    ------
    ValueError
        If ``batch_size`` is not a positive integer.
    TypeError
        If ``seed`` is neither an integer nor a generator.

    Examples
    --------
    >>> from scratchconv.data import DataLoader, Digits, transforms
    >>> loader = DataLoader(Digits(transform=transforms.ToTensor()), batch_size=100, shuffle=True, seed=0)
    >>> images, labels = next(iter(loader))
    >>> images.shape, labels.shape, len(loader)
    ((100, 1, 28, 28), (100,), 15)
    """

    def __init__(
        self,
        dataset: ArrayDataset,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size is a positive integer, got {batch_size!r}")
        if not isinstance(seed, int | np.integer | np.random.Generator | None):
            raise TypeError(f"seed is an integer, a numpy.random.Generator or None, got {seed!r}")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        rounded_up = 0 if self.drop_last else self.batch_size - 1
        return (len(self.dataset) + rounded_up) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Begin an epoch."""
        return ((Tensor(images), Tensor(labels)) for images, labels in self.batches())

    def batches(self) -> Iterator[tuple[Array, Indices]]:
        """Begin an epoch whose (images, labels) are NumPy arrays."""
        rng = self._begin_epoch()
        order = rng.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))
        chunks = (order[i * self.batch_size : (i + 1) * self.batch_size] for i in range(len(self)))
        return ((self.dataset.batch(chunk, rng), self.dataset.labels[chunk]) for chunk in chunks)

    def _begin_epoch(self) -> np.random.Generator:
        """Return the epoch's generator and count the epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        if isinstance(self.seed, int | np.integer):
            return np.random.default_rng([int(self.seed), epoch])
        source = generator() if self.seed is None else self.seed
        return np.random.default_rng(source.integers(2**63))

    def __repr__(self) -> str:
        return (
            f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, shuffle={self.shuffle}, "
            f"drop_last={self.drop_last}, seed={self.seed!r})"
        )
