"""Training in PyTorch as the article does it: Adam, cross-entropy, learning rate divided by 3 every 20 epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from torch_ref import data
from torch_ref.models import build
from torch_ref.run_folder import RunFolder

ModelName = Literal["cnn", "resnet"]
DECAY_EPOCHS, DECAY = 20, 1 / 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What a run is told; the names are those of ``scratchconv.train.TrainConfig``, and ``channels_last``."""

    model: ModelName
    data: data.DataName
    out: Path
    epochs: int = 1
    batch_size: int = 100
    lr: float = 1e-3
    seed: int = 0
    threads: int | None = None
    data_root: Path | None = None
    log_every: int = 100
    channels_last: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


class Score(NamedTuple):
    """Mean loss an image, the share of images classified correctly, and their number."""

    loss: float
    accuracy: float
    images: int


def fit(settings: Settings, say: Say = print) -> Score:
    """Train, leave a run folder, and return the score on the test set after the last epoch.

    Raises
    ------
    FileExistsError
        If the run folder already holds something.
    DataNotFoundError
        If the data are missing and cannot be downloaded.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    model = build(settings.model, settings.seed).to(memory_format=_memory_format(settings))
    training, testing = _loaders(settings)
    run = RunFolder.create(settings.out, settings.as_json())
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=DECAY_EPOCHS, gamma=DECAY)
    score = Score(float("nan"), float("nan"), 0)
    for epoch in range(1, settings.epochs + 1):
        journal = _Journal(settings, run, say, epoch, len(training))
        train_epoch(model, training, optimizer, journal)
        journal.end_epoch(optimizer.param_groups[0]["lr"])
        scheduler.step()
        run.save_model(model)
        score = evaluate(model, testing, _memory_format(settings))
        journal.end_test(score)
    say(f"Saved in {run.path}")
    return score


def train_epoch(
    model: nn.Module, loader: DataLoader[data.Sample], optimizer: torch.optim.Optimizer, journal: _Journal
) -> None:
    """One pass over the training data."""
    model.train()
    for images, labels in loader:
        images = images.contiguous(memory_format=_memory_format(journal.settings))
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        journal.step(len(labels), loss.item())


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: DataLoader[data.Sample], memory_format: torch.memory_format = torch.contiguous_format
) -> Score:
    """Score ``model`` in evaluation mode on every image of ``loader``; its mode is restored."""
    was_training = model.training
    model.eval()
    loss, correct, total = 0.0, 0, 0
    for images, labels in loader:
        outputs = model(images.contiguous(memory_format=memory_format))
        loss += cross_entropy(outputs, labels, reduction="sum").item()
        correct += int((outputs.argmax(1) == labels).sum())
        total += len(labels)
    model.train(was_training)
    return Score(loss / total, correct / total, total)


class _Journal:
    """Writes the metrics of one epoch, with the keys of scratchconv's runs, and says what the article prints."""

    def __init__(self, settings: Settings, run: RunFolder, say: Say, epoch: int, iterations: int) -> None:
        self.settings, self._run, self._say = settings, run, say
        self._epoch, self._iterations, self._iteration = epoch, iterations, 0
        self._images, self._loss = 0, 0.0
        self._step_started = self._lap_started = time.perf_counter()

    def step(self, images: int, loss: float) -> None:
        """One optimizer step is done: mean ``loss`` over ``images`` images."""
        now = time.perf_counter()
        seconds, self._step_started = now - self._step_started, now
        self._iteration += 1
        self._images, self._loss = self._images + images, self._loss + images * loss
        self._record("step", loss=loss, images=images, seconds=round(seconds, 5))
        if self._iteration % self.settings.log_every == 0:
            where = f"Epoch [{self._epoch}/{self.settings.epochs}], Iter [{self._iteration}/{self._iterations}]"
            self._say(f"{where} Loss: {loss:.4f}")

    def end_epoch(self, lr: float) -> None:
        """Record that the epoch's training, at learning rate ``lr``, is done."""
        seconds, loss = self._lap(), self._loss / self._images
        rate = round(self._images / seconds, 1)
        self._record("epoch", loss=loss, lr=lr, seconds=round(seconds, 4), images_per_second=rate)
        self._say(f"Epoch [{self._epoch}/{self.settings.epochs}] training loss {loss:.4f}, {rate:,.0f} images/s")

    def end_test(self, score: Score) -> None:
        """Record that the test set was scored."""
        self._record("test", **score._asdict(), seconds=round(self._lap(), 4))
        self._say(f"Epoch [{self._epoch}/{self.settings.epochs}] test accuracy {100 * score.accuracy:.2f} %")

    def _record(self, kind: str, **values: Any) -> None:
        step = (self._epoch - 1) * self._iterations + self._iteration
        self._run.record(kind, epoch=self._epoch, step=step, **values)

    def _lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        seconds, self._lap_started = now - self._lap_started, now
        return seconds


def _loaders(settings: Settings) -> tuple[DataLoader[data.Sample], DataLoader[data.Sample]]:
    """Training and test batches; raises ValueError if the images do not fit the model."""
    sets = [data.load(settings.data, train, settings.data_root) for train in (True, False)]
    wanted, found = {"cnn": (1, 28, 28), "resnet": (3, 32, 32)}[settings.model], tuple(sets[0][0][0].shape)
    if wanted != found:
        raise ValueError(f"{settings.model} reads images of shape {wanted}, but {settings.data} has {found}")
    return (
        data.loader(sets[0], settings.batch_size, shuffle=True, seed=settings.seed),
        data.loader(sets[1], settings.batch_size, shuffle=False),
    )


def _memory_format(settings: Settings) -> torch.memory_format:
    return torch.channels_last if settings.channels_last else torch.contiguous_format
