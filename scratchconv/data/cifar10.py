"""CIFAR-10: 50,000 + 10,000 colour 32×32 images of ten classes, in the binary version's six files.

A file is 10,000 records of 3,073 bytes: the label, then the red, the green and the blue plane, row by row. Source:
A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from scratchconv.data.cifar10_pickle import read_pickled_records
from scratchconv.data.dataset import ArrayDataset
from scratchconv.data.download import Archive, fetch, named_errors, unpack_tar
from scratchconv.data.storage import DataError, data_root, remedies
from scratchconv.data.transforms.base import BatchTransform, Transform

HEIGHT, WIDTH, CHANNELS = 32, 32, 3
RECORD_BYTES = 1 + CHANNELS * HEIGHT * WIDTH
TRAIN_FILES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_FILES = ("test_batch",)

Records = npt.NDArray[np.uint8]


class CIFAR10(ArrayDataset):
    """Photographs of ten kinds of things, 50,000 to train on and 10,000 to test with, 32×32 RGB pixels.

    The files lie in ``ROOT/cifar-10-batches-bin``; where only torchvision's ``ROOT/cifar-10-batches-py`` is present,
    that is read, without trusting what is pickled in it.

    Parameters
    ----------
    root : path, optional
        The data root, by default ``SCRATCHCONV_DATA`` or the user's cache folder (see ``data_root``).
    train : bool
        Whether to take the training part or the test part.
    transform : Transform or callable, optional
        Applied to batches as they are taken out.
    download : bool
        Whether to download and unpack what is missing (162 MB, kept in ``ROOT``).

    Raises
    ------
    DataError
        If files are missing, cannot be downloaded, or are damaged.
    """

    folder: ClassVar[str] = "cifar-10-batches-bin"
    pickle_folder: ClassVar[str] = "cifar-10-batches-py"
    class_names: ClassVar[tuple[str, ...]] = tuple(
        "airplane automobile bird cat deer dog frog horse ship truck".split()
    )
    records_per_file: ClassVar[int] = 10_000
    archive: ClassVar[Archive] = Archive(
        "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", ("https://www.cs.toronto.edu/~kriz/",)
    )

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | BatchTransform | None = None,
        download: bool = False,
    ) -> None:
        self.train = train
        base = data_root(root)
        if download and not self._present(base, TRAIN_FILES + TEST_FILES):
            files = [f"{self.folder}/{name}.bin" for name in TRAIN_FILES + TEST_FILES]
            unpack_tar(fetch(self.archive, base), [*files, f"{self.folder}/batches.meta.txt"], base)
        wanted = TRAIN_FILES if train else TEST_FILES
        images, labels = _unpack(self._read(base, wanted), len(wanted) * self.records_per_file)
        super().__init__(images, labels, self.class_names, transform)

    def _present(self, base: Path, names: Iterable[str]) -> Path | None:
        """Return the folder that has all the files: the binary one if it does, else the pickled one, else None."""
        for folder, suffix in ((self.folder, ".bin"), (self.pickle_folder, "")):
            if all((base / folder / f"{name}{suffix}").exists() for name in names):
                return base / folder
        return None

    def _read(self, base: Path, names: tuple[str, ...]) -> Iterable[Records]:
        """Yield the records of each file."""
        folder = self._present(base, names)
        if folder is None:
            wanted = ", ".join(f"{name}.bin" for name in names)
            raise DataError(
                f"CIFAR-10 needs {wanted} in {base / self.folder}, and not all of them are there; nor are they, in "
                f"torchvision's form, in {base / self.pickle_folder}" + remedies(base, self.archive.urls)
            )
        binary = folder.name == self.folder
        for name in names:
            path = folder / (f"{name}.bin" if binary else name)
            with named_errors(path):
                content = path.read_bytes() if binary else read_pickled_records(path)
            if len(content) != self.records_per_file * RECORD_BYTES:
                raise DataError(
                    f"{path} is damaged: {self.records_per_file} records of {RECORD_BYTES} bytes make "
                    f"{self.records_per_file * RECORD_BYTES} bytes, but it has {len(content)}. "
                    "Delete it and let it be downloaded again."
                )
            records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
            if (records[:, 0] >= len(self.class_names)).any():
                raise DataError(
                    f"{path} is damaged: label {records[:, 0].max()} is not below {len(self.class_names)}. "
                    "Delete it and let it be downloaded again."
                )
            yield records


def _unpack(files: Iterable[Records], count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return (N, H, W, C) images and (N,) labels from files of records, ``count`` in all."""
    images = np.empty((count, HEIGHT * WIDTH, CHANNELS), np.uint8)
    labels = np.empty(count, np.uint8)
    start = 0
    for records in files:
        part = slice(start, start + len(records))
        labels[part] = records[:, 0]
        planes = records[:, 1:].reshape(-1, CHANNELS, HEIGHT * WIDTH)
        for c in range(CHANNELS):  # NumPy moves plane by plane twice as fast as it transposes all at once
            images[part, :, c] = planes[:, c]
        start += len(records)
    return images.reshape(count, HEIGHT, WIDTH, CHANNELS), labels
