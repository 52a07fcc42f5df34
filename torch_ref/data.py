"""The data sets of the training command, through torchvision, with the article's transforms.

A data root is shared with scratchconv: the files of a set that either library has downloaded serve both (CIFAR-10
excepted, of which torchvision reads the Python version and scratchconv the binary one).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.error import URLError

import numpy as np
import pooch
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

DataName = Literal["digits", "mnist", "fashion-mnist", "cifar10"]
ROOT_VARIABLE = "SCRATCHCONV_DATA"

Sample = tuple[torch.Tensor, int]

_TORCHVISION: dict[str, Callable[..., Any]] = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "cifar10": datasets.CIFAR10,
}


class DataNotFoundError(FileNotFoundError):
    """A data set is neither under the data root nor to be had from the network."""


class DigitsDataset(Dataset[Sample]):
    """The handwritten digits embedded in scratchconv, as a torch data set of 28×28 grey images."""

    def __init__(self, train: bool, transform: Callable[[Any], torch.Tensor]) -> None:
        from scratchconv.data import Digits  # the arrays only; the other data sets do not load scratchconv

        digits = Digits(train=train)
        self.images, self.labels = np.asarray(digits.images), np.asarray(digits.labels)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        image = Image.fromarray(self.images[index].squeeze())
        return self.transform(image), int(self.labels[index])


def transform_of(name: DataName, train: bool) -> Callable[[Any], torch.Tensor]:
    """Choose the article's transform: CIFAR-10 is augmented for training, all else is only scaled to [0, 1]."""
    if name == "cifar10" and train:
        augment = [transforms.Resize(40), transforms.RandomHorizontalFlip(), transforms.RandomCrop(32)]
        composed: Callable[[Any], torch.Tensor] = transforms.Compose([*augment, transforms.ToTensor()])
        return composed
    to_tensor: Callable[[Any], torch.Tensor] = transforms.ToTensor()
    return to_tensor


def load(name: DataName, train: bool, root: Path | None = None) -> Dataset[Sample]:
    """Open the training or the test set called ``name``.

    ``root`` defaults to the environment variable SCRATCHCONV_DATA, then to the cache folder that scratchconv uses. A
    set that is not there is downloaded into it, which is said first.

    Raises
    ------
    DataNotFoundError
        If the set is missing and cannot be downloaded.
    """
    if name not in get_args(DataName):
        raise ValueError(f"data must be one of {', '.join(get_args(DataName))}; got {name!r}")
    if name == "digits":
        return DigitsDataset(train, transform_of(name, train))
    folder = root or default_root()
    make = _TORCHVISION[name]
    options = {"root": str(folder), "train": train, "transform": transform_of(name, train)}
    try:
        found: Dataset[Sample] = make(**options, download=False)
        return found
    except RuntimeError:  # torchvision's word for "not there, or damaged"
        print(f"{name} is not in {folder}: downloading it", flush=True)
    try:
        downloaded: Dataset[Sample] = make(**options, download=True)
        return downloaded
    except (URLError, OSError, RuntimeError) as cause:
        reason = " ".join(str(cause).split())  # torchvision says it in several lines
        raise DataNotFoundError(
            f"{name} is not in {folder} and could not be downloaded ({reason}). Connect to the network, or point "
            f"--data-root or {ROOT_VARIABLE} at a folder in which torchvision finds it, or train on --data digits."
        ) from cause


def default_root() -> Path:
    """Return the folder named by SCRATCHCONV_DATA, or the user's cache folder: the same as scratchconv's."""
    return Path(os.environ.get(ROOT_VARIABLE) or pooch.os_cache("scratchconv"))


def loader(dataset: Dataset[Sample], batch_size: int, *, shuffle: bool, seed: int = 0) -> DataLoader[Sample]:
    """Batches of ``dataset``, shuffled from ``seed``; the last batch may be smaller. Loads in this process."""
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, generator=generator)
