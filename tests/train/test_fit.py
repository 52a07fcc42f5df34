"""The training loop, on the embedded digits."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.train import Reporter, Result, RunFolder, TrainConfig, _fit, _task, evaluate_run, fit


class Listener(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.ended = False

    def advance(self, epoch: int, images: int, loss: float) -> None:
        self.steps.append((epoch, images))

    def message(self, text: str) -> None:
        self.lines.append(text)

    def end(self) -> None:
        self.ended = True


CONFIG = TrainConfig(epochs=2, batch_size=64, log_every=10)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def result(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("fit") / "run"
    return fit(dataclasses.replace(CONFIG, out=out), listener)


def weights(model: sc.nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def test_learns(result: Result) -> None:
    run = RunFolder(result.run)
    first, second = run.metrics("epoch")
    assert second["loss"] < first["loss"]
    # Chance is 0.1. Two epochs reach about 0.95; 0.85 leaves room for another seed or another CPU's rounding.
    assert result.test.accuracy > 0.85
    assert run.metrics("test")[-1]["accuracy"] == result.test.accuracy


def test_every_image_once_an_epoch_and_a_smaller_last_batch(result: Result, listener: Listener) -> None:
    images = len(sc.data.Digits(train=True))
    iterations = -(-images // 64)
    assert listener.steps == [(e, min(64, images - 64 * i)) for e in (1, 2) for i in range(iterations)]
    assert listener.ended
    said = [line for line in listener.lines if "Iter" in line]
    wanted = [rf"Epoch \[{e}/2\], Iter \[{i}/{iterations}\] Loss: \d+\.\d{{4}}" for e in (1, 2) for i in (10, 20)]
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(wanted, said, strict=True))
    assert str(result.run) in listener.lines[-1]


def test_leaves_a_whole_run_folder(result: Result) -> None:
    files = {file.name for file in result.run.iterdir()}
    assert files == {"config.json", "metrics.jsonl", "model.safetensors", "curves.png"}
    saved = sc.load(result.run / "model.safetensors")
    assert all(np.array_equal(saved[name].numpy(), value) for name, value in weights(result.model).items())
    assert evaluate_run(result.run) == result.test


def test_same_seed_same_bits_whatever_the_threads(result: Result, tmp_path: Path) -> None:
    before = sc.get_num_threads()
    try:
        again = fit(dataclasses.replace(CONFIG, out=tmp_path / "again", threads=1))
        other = fit(dataclasses.replace(CONFIG, out=tmp_path / "other", epochs=1, seed=1))
    finally:
        sc.set_num_threads(before)
    assert again.test == result.test
    mine, same, different = weights(result.model), weights(again.model), weights(other.model)
    assert all(np.array_equal(mine[name], same[name]) for name in mine)
    assert not np.array_equal(mine["fc.weight"], different["fc.weight"])


def test_eager_or_compiled_makes_no_difference_but_rounding(result: Result, tmp_path: Path) -> None:
    eager = fit(dataclasses.replace(CONFIG, out=tmp_path / "eager", eager=True))
    ours, theirs = (RunFolder(run.run).metrics("step")[0]["loss"] for run in (result, eager))
    # One float32 forward pass of four layers.
    assert ours == pytest.approx(theirs, rel=1e-5)
    # Later steps drift apart, as with another seed of the roundings; about 300 test images, a few near the border.
    assert abs(result.test.accuracy - eager.test.accuracy) < 0.03
    assert evaluate_run(eager.run) == eager.test


@pytest.mark.parametrize("eager", [False, True])
def test_compiles_unless_told_not_to(eager: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, make = [], sc.compile

    def watched(model: sc.nn.Module) -> Any:
        compiled.append(model)
        return make(model)

    monkeypatch.setattr(sc, "compile", watched, raising=False)
    run = fit(TrainConfig(out=tmp_path / "run", eager=eager))
    assert len(compiled) == (0 if eager else 1)
    evaluate_run(run.run)
    assert len(compiled) == (0 if eager else 2)


def test_divides_the_learning_rate_by_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (_fit.DECAY_EPOCHS, _fit.DECAY) == (20, 1 / 3)
    monkeypatch.setattr(_fit, "DECAY_EPOCHS", 2)
    monkeypatch.setattr(_fit, "train_epoch", lambda model, loader, optimizer, after_step: after_step(1, 1, 1.0))
    fit(TrainConfig(epochs=5, lr=0.9, out=tmp_path / "run"))
    rates = [record["lr"] for record in RunFolder(tmp_path / "run").metrics("epoch")]
    assert rates == pytest.approx([0.9, 0.9, 0.3, 0.3, 0.1])


def test_an_interrupted_run_keeps_the_last_whole_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch, passes, listener = _fit.train_epoch, [], Listener()

    def interrupted(*arguments: Any) -> None:
        passes.append(1)
        if len(passes) == 2:
            raise KeyboardInterrupt
        train_epoch(*arguments)

    monkeypatch.setattr(_fit, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(dataclasses.replace(CONFIG, epochs=3, out=tmp_path / "run"), listener)
    assert listener.ended
    assert listener.lines[-1].startswith(
        "Interrupted in epoch 2: settings, the metrics so far and the checkpoint of epoch 1"
    )
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"config.json", "metrics.jsonl", "model.safetensors"}
    assert evaluate_run(tmp_path / "run").accuracy > 0.2


def test_refuses_a_used_folder_before_loading_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "something").write_text("")
    monkeypatch.setattr(_task, "train_loader", pytest.fail)
    with pytest.raises(FileExistsError, match="choose another run folder"):
        fit(TrainConfig(out=tmp_path))
