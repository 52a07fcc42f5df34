"""From settings to a model and loaders: one literal table of data sets, one of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import scratchconv as sc
from scratchconv.data import transforms
from scratchconv.train._config import DataName, ModelName, TrainConfig


class _Source(NamedTuple):
    """A data set and what its images look like."""

    dataset: Callable[..., Any]
    channels: int
    size: int


_SOURCES: dict[DataName, _Source] = {
    "digits": _Source(sc.data.Digits, 1, 28),
    "mnist": _Source(sc.data.MNIST, 1, 28),
    "fashion-mnist": _Source(sc.data.FashionMNIST, 1, 28),
    "cifar10": _Source(sc.data.CIFAR10, 3, 32),
}
