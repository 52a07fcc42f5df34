"""Settings: what is legal, and the way to JSON and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scratchconv.train import TrainConfig


def test_defaults_are_the_articles() -> None:
    config = TrainConfig()
    assert not config.eager
    assert (config.model, config.data, config.batch_size, config.lr, config.log_every) == (
        "cnn",
        "digits",
        100,
        1e-3,
        100,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vgg"}, "model must be one of cnn, resnet; got 'vgg'"),
        ({"data": "svhn"}, "data must be one of digits, mnist, fashion-mnist, cifar10; got 'svhn'"),
        ({"data": "cifar10"}, "data for cnn must be one of digits, mnist, fashion-mnist; got 'cifar10'"),
        ({"model": "resnet"}, "data for resnet must be one of cifar10; got 'digits'"),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer of at least 1, got 2.5"),
        ({"log_every": -1}, "log_every must be"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": float("nan")}, "lr must be positive"),
    ],
)
def test_refuses_what_is_not_legal(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


def test_survives_json() -> None:
    config = TrainConfig(
        "resnet", "cifar10", epochs=3, seed=7, threads=2, eager=True, out=Path("a/b"), data_root=Path("c")
    )
    assert TrainConfig.from_json(json.loads(json.dumps(config.as_json()))) == config
    assert TrainConfig.from_json(json.loads(json.dumps(TrainConfig().as_json()))) == TrainConfig()


def test_names_its_folder() -> None:
    assert TrainConfig(out=Path("here")).folder() == Path("here")
    folder = TrainConfig(data="fashion-mnist").folder()
    assert folder.parent == Path("runs")
    assert folder.name.startswith("cnn-fashion-mnist-")
