"""The handwritten digits that come with the package (``embedded/README.md`` tells where they are from)."""

from __future__ import annotations

import gzip
import os
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from scratchconv.data.dataset import ArrayDataset
from scratchconv.data.transforms.base import BatchTransform, Transform
from scratchconv.data.transforms.resize import resize

SIZE = 28
STROKES = 16  # the largest value of a pixel: it counts the set pixels in a 4×4 block of the scanned bitmap
TRAIN_COUNT = 1_500
SPLIT_SEED = 1998


class Digits(ArrayDataset):
    """1,797 handwritten digits by 13 writers, enlarged from 8×8 to 28×28 grey pixels; needs no network.

    The split is fixed and random, not stratified: 1,500 to train on, 297 to test with. Writers are in both parts, so
    test accuracy here says less than MNIST's.

    Parameters
    ----------
    root, download
        Accepted, and not needed, so that all data sets are made alike.
    train : bool
        Whether to take the training part or the test part.
    transform : Transform or callable, optional
        Applied to batches as they are taken out.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | BatchTransform | None = None,
        download: bool = False,
    ) -> None:
        self.train = train
        strokes, labels = read_embedded()
        order = split_order(len(labels))
        part = order[:TRAIN_COUNT] if train else order[TRAIN_COUNT:]
        grey = np.rint(strokes[part] * (255 / STROKES)).astype(np.uint8)
        images = resize(grey[..., None], (SIZE, SIZE))[..., 0]
        super().__init__(images, labels[part], tuple("0123456789"), transform)


def read_embedded() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the original images (1797, 8, 8), values 0 to 16, and their labels (1797,), in the original order."""
    packed = files("scratchconv.data").joinpath("embedded", "digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode("ascii").splitlines(), np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1]


def split_order(count: int) -> npt.NDArray[np.int64]:
    """Return a fixed random order of ``count`` images.

    It sorts raw output of a bit generator, which NumPy promises never to change; ``permutation`` has no such promise.
    """
    return np.argsort(np.random.PCG64(SPLIT_SEED).random_raw(count), kind="stable")
