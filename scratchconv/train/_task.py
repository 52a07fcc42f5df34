"""From settings to a model and loaders: one literal table of models, one of data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import scratchconv as sc
from scratchconv.data import transforms
from scratchconv.train._config import DataName, ModelName, TrainConfig

MODELS: dict[ModelName, Callable[[], sc.nn.Module]] = {"cnn": sc.models.CNN, "resnet": sc.models.ResNet}

DATASETS: dict[DataName, Callable[..., Any]] = {
    "digits": sc.data.Digits,
    "mnist": sc.data.MNIST,
    "fashion-mnist": sc.data.FashionMNIST,
    "cifar10": sc.data.CIFAR10,
}


def model(config: TrainConfig) -> sc.nn.Module:
    """Make the model, with fresh weights."""
    return MODELS[config.model]()


def train_loader(config: TrainConfig) -> sc.data.DataLoader:
    """Shuffled batches of the training set, CIFAR-10 augmented as in the article; the last batch may be smaller."""
    steps: list[transforms.Transform] = [transforms.ToTensor()]
    if config.data == "cifar10":
        steps = [transforms.Resize(40), transforms.RandomHorizontalFlip(), transforms.RandomCrop(32), *steps]
    dataset = _dataset(config, config.data_root, train=True, transform=transforms.Compose(steps))
    return sc.data.DataLoader(dataset, batch_size=config.batch_size, shuffle=True)


def test_loader(config: TrainConfig, root: Path | None) -> sc.data.DataLoader:
    """Batches of the test set under ``root``, in their own order."""
    dataset = _dataset(config, root, train=False, transform=transforms.ToTensor())
    return sc.data.DataLoader(dataset, batch_size=config.batch_size, shuffle=False)


def _dataset(config: TrainConfig, root: Path | None, *, train: bool, transform: transforms.Transform) -> Any:
    """Open a data set under ``root``; one that is not there is downloaded."""
    return DATASETS[config.data](root=root, train=train, transform=transform, download=True)
