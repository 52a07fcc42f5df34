"""How good a model is on images it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import scratchconv as sc
from scratchconv.train import _task
from scratchconv.train._run import RunFolder


class Score(NamedTuple):
    """Mean loss an image, the share of images classified correctly, and their number."""

    loss: float
    accuracy: float
    images: int


def evaluate(model: sc.nn.Module | sc.compiler.CompiledModel, loader: sc.data.DataLoader) -> Score:
    """Score ``model`` on every image of ``loader``, in evaluation mode and without recording gradients.

    The model is left in the mode it was in.
    """
    was_training = model.training
    model.eval()
    loss, correct, total = 0.0, 0, 0
    try:
        with sc.no_grad():
            for images, labels in loader:
                outputs = model(images)
                loss += sc.nn.functional.cross_entropy(outputs, labels, reduction="sum").item()
                correct += int((outputs.numpy().argmax(1) == labels.numpy()).sum())
                total += len(labels)
    finally:
        model.train(was_training)
    return Score(loss / total, correct / total, total)


def evaluate_run(path: Path | str, data_root: Path | None = None) -> Score:
    """Score the checkpoint of a run folder on the test set of the run's data.

    Raises
    ------
    FileNotFoundError
        If ``path`` is not a run folder or holds no checkpoint.
    """
    run = RunFolder(path)
    config = run.config()
    model = _task.model(config)
    run.load_model(model)
    loader = _task.test_loader(config, data_root or config.data_root)
    return evaluate(model if config.eager else sc.compile(model), loader)
