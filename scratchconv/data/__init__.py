"""Data sets, batched transforms and the loader that feeds them to a training loop."""

from __future__ import annotations

from scratchconv.data import transforms
from scratchconv.data.cifar10 import CIFAR10
from scratchconv.data.dataset import ArrayDataset
from scratchconv.data.digits import Digits
from scratchconv.data.loader import DataLoader
from scratchconv.data.mnist import MNIST, FashionMNIST
from scratchconv.data.storage import DataError, data_root

__all__ = [
    "CIFAR10",
    "MNIST",
    "ArrayDataset",
    "DataError",
    "DataLoader",
    "Digits",
    "FashionMNIST",
    "data_root",
    "transforms",
]
