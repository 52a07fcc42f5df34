"""The reference training: its run folder, its arithmetic, its errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, TensorDataset

from torch_ref import data, train
from torch_ref.models import build
from torch_ref.run_folder import read_metrics


@pytest.fixture
def two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven images of random pixels in place of every data set: batches of 4 and 3."""
    images = torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(data, "load", lambda name, train, root: TensorDataset(images, torch.arange(7)))


def settings(out: Path, **changes: object) -> train.Settings:
    base = train.Settings("cnn", "mnist", out, epochs=2, batch_size=4, seed=5, log_every=1)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.usefixtures("two_batches")
def test_run_folder(tmp_path: Path) -> None:
    said: list[str] = []
    score = train.fit(settings(tmp_path / "run"), said.append)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"] | {"model": "cnn", "seed": 5, "batch_size": 4} == config["settings"]
    assert config["versions"]["torch"] == torch.__version__.partition("+")[0]
    steps = read_metrics(tmp_path / "run", "step")
    assert [(line["epoch"], line["step"], line["images"]) for line in steps] == [
        (1, 1, 4),
        (1, 2, 3),
        (2, 3, 4),
        (2, 4, 3),
    ]
    epochs = read_metrics(tmp_path / "run", "epoch")
    assert epochs[0]["loss"] == pytest.approx((4 * steps[0]["loss"] + 3 * steps[1]["loss"]) / 7)
    test = read_metrics(tmp_path / "run", "test")[-1]
    assert (test["loss"], test["accuracy"], test["images"]) == tuple(score)
    assert f"Epoch [2/2], Iter [1/2] Loss: {steps[2]['loss']:.4f}" in said
    assert set(load_file(tmp_path / "run" / "model.safetensors")) == set(build("cnn").state_dict())


@pytest.mark.usefixtures("two_batches")
def test_keys_are_those_of_scratchconvs_runs(tmp_path: Path) -> None:
    from scratchconv.train import TrainConfig

    train.fit(settings(tmp_path / "run", epochs=1), lambda text: None)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    ours = {field.name for field in dataclasses.fields(TrainConfig)} - {"eager"}  # PyTorch's training is always eager
    assert set(config["settings"]) == ours | {"channels_last"}


@pytest.mark.usefixtures("two_batches")
def test_a_run_is_repeatable_and_saves_what_it_trained(tmp_path: Path) -> None:
    scores = [train.fit(settings(tmp_path / name, channels_last=True), lambda text: None) for name in "ab"]
    assert scores[0] == scores[1]
    model = build("cnn")
    model.load_state_dict(load_file(tmp_path / "a" / "model.safetensors"))
    images = torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    again = train.evaluate(model, DataLoader(TensorDataset(images, torch.arange(7)), 4))
    assert again.accuracy == scores[0].accuracy
    assert again.loss == pytest.approx(scores[0].loss, rel=1e-5)  # the other memory format: other order of summation


def test_learning_rate_is_divided_by_3_every_20_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(2, 1, 28, 28)
    monkeypatch.setattr(data, "load", lambda name, train, root: TensorDataset(images, torch.arange(2)))
    assert (train.DECAY_EPOCHS, train.DECAY) == (20, 1 / 3)
    monkeypatch.setattr(train, "DECAY_EPOCHS", 2)
    train.fit(settings(tmp_path / "run", epochs=5, lr=0.09), lambda text: None)
    rates = [line["lr"] for line in read_metrics(tmp_path / "run", "epoch")]
    assert rates == pytest.approx([0.09, 0.09, 0.03, 0.03, 0.01])


def test_evaluation_is_in_evaluation_mode_and_restores_the_mode() -> None:
    model = build("cnn").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.rand(5, 1, 28, 28)
    score = train.evaluate(model, DataLoader(TensorDataset(images, torch.zeros(5, dtype=torch.int64)), 2))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    expected = model.eval()(images)
    assert score.accuracy == pytest.approx(float((expected.argmax(1) == 0).float().mean()))
    assert score.loss == pytest.approx(
        torch.nn.functional.cross_entropy(expected, torch.zeros(5, dtype=torch.int64)).item(), rel=1e-5
    )


@pytest.mark.usefixtures("two_batches")
def test_refuses_a_used_folder_and_unfit_data(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    with pytest.raises(FileExistsError, match="not empty"):
        train.fit(settings(tmp_path))
    with pytest.raises(ValueError, match=r"resnet reads images of shape \(3, 32, 32\), but mnist has \(1, 28, 28\)"):
        train.fit(settings(tmp_path / "run", model="resnet"))
    assert not (tmp_path / "run").exists()
