"""From settings to a model and loaders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.train import TrainConfig, _task


def test_builds_the_articles_models() -> None:
    assert isinstance(_task.model(TrainConfig()), sc.models.CNN)
    assert isinstance(_task.model(TrainConfig("resnet", "cifar10")), sc.models.ResNet)


def test_digits_make_28_by_28_batches_and_keep_the_small_last_one() -> None:
    config = TrainConfig(batch_size=64)
    training = _task.train_loader(config)
    sizes = [len(labels) for _, labels in training]
    assert sum(sizes) == len(training.dataset)
    assert 0 < sizes[-1] < 64
    images, labels = next(iter(_task.test_loader(config, None)))
    assert images.shape == (64, 1, 28, 28)
    assert images.dtype == np.float32 and labels.dtype == np.int64
    # 256 grey levels of ink and paper scaled to [0, 1]
    assert 0 <= images.numpy().min() < images.numpy().max() <= 1


def test_cifar10_is_augmented_for_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    def dataset(**options: Any) -> Any:
        made.append(options)
        return sc.data.Digits(train=options["train"])

    monkeypatch.setitem(_task.DATASETS, "cifar10", dataset)
    config = TrainConfig("resnet", "cifar10")
    _task.train_loader(config)
    _task.test_loader(config, None)
    assert [options["train"] for options in made] == [True, False]
    assert repr(made[0]["transform"]) == (
        "Compose(Resize(size=40), RandomHorizontalFlip(p=0.5), RandomCrop(size=(32, 32), padding=0), ToTensor())"
    )
    assert repr(made[1]["transform"]) == "ToTensor()"
