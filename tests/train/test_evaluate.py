"""Scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.train import evaluate, evaluate_run


class Remembered(sc.nn.Module):
    """Returns its input as the outputs, and remembers in which mode it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = sc.nn.Parameter(sc.ones(1))
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        y = x * self.scale
        self.modes.append((self.training, y.requires_grad))
        return y


def batches(*sizes: int) -> list[tuple[Any, Any]]:
    """Certain outputs for class 1, while the labels are 1 except for the last image of each batch."""
    outputs = [np.tile(np.array([0.0, 1.0], np.float32), (size, 1)) for size in sizes]
    labels = [np.array([1] * (size - 1) + [0], np.int64) for size in sizes]
    return [(sc.from_numpy(y), sc.from_numpy(t)) for y, t in zip(outputs, labels, strict=True)]


def test_weights_every_image_equally() -> None:
    score = evaluate(Remembered(), batches(4, 2))  # type: ignore[arg-type]
    right, wrong = np.log(1 + np.exp(-1)), np.log(1 + np.exp(1))
    assert score.images == 6
    assert score.accuracy == 4 / 6
    # float32 outputs: the error of a mean of six numbers near one is a few units of 1.2e-7
    assert score.loss == pytest.approx((4 * right + 2 * wrong) / 6, rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_mode_without_recording_and_back(training: bool) -> None:
    model = Remembered().train(training)
    evaluate(model, batches(2))  # type: ignore[arg-type]
    assert model.modes == [(False, False)]
    assert model.training is training


def test_a_folder_that_is_no_run(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        evaluate_run(tmp_path)
