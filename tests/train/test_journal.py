"""Lines for people and lines for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

import scratchconv as sc
from scratchconv.train import Reporter, RunFolder, Score, TrainConfig
from scratchconv.train._journal import Journal


class Listener(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def journal(tmp_path: Path, listener: Listener) -> Journal:
    config = TrainConfig(epochs=2, log_every=2, out=tmp_path / "run")
    run = RunFolder(config.folder())
    run.create(config)
    return Journal(run, listener, config, iterations=3)


def test_an_epoch_in_both_forms(journal: Journal, listener: Listener, tmp_path: Path) -> None:
    journal.start_epoch(1)
    for iteration, (images, loss) in enumerate([(4, 1.0), (4, 0.5), (2, 0.25)], 1):
        journal.step(iteration, images, loss)
    journal.end_epoch(sc.nn.Linear(2, 2), lr=0.125)
    journal.end_test(Score(loss=0.5, accuracy=0.875, images=8))
    assert listener.lines[0] == "Epoch [1/2], Iter [2/3] Loss: 0.5000"
    assert listener.lines[1].startswith("Epoch [1/2] training loss 0.6500, ")
    assert listener.lines[1].endswith("images/s, test accuracy 87.50 %")
    run = RunFolder(tmp_path / "run")
    assert [(r["step"], r["images"], r["loss"]) for r in run.metrics("step")] == [
        (1, 4, 1.0),
        (2, 4, 0.5),
        (3, 2, 0.25),
    ]
    (epoch,), (test,) = run.metrics("epoch"), run.metrics("test")
    assert epoch["loss"] == 0.65 and epoch["lr"] == 0.125
    assert epoch["images_per_second"] == pytest.approx(10 / epoch["seconds"], rel=0.01)  # both are rounded
    assert (test["accuracy"], test["images"], test["step"]) == (0.875, 8, 3)


def test_an_interruption_tells_what_is_left(journal: Journal, listener: Listener, tmp_path: Path) -> None:
    journal.start_epoch(1)
    journal.interrupted()
    journal.step(1, 4, 1.0)
    journal.end_epoch(sc.nn.Linear(2, 2), lr=1.0)
    journal.interrupted()
    assert listener.lines == [
        f"Interrupted in epoch 1: settings, the metrics so far and no checkpoint yet are in {tmp_path / 'run'}",
        f"Interrupted in epoch 1: settings, the metrics so far and the checkpoint of epoch 1 are in {tmp_path / 'run'}",
    ]
