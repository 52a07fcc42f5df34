"""What is written down while a run goes on: lines of metrics for programs, lines of text for people."""

from __future__ import annotations

import time

import scratchconv as sc
from scratchconv.train._config import TrainConfig
from scratchconv.train._evaluate import Score
from scratchconv.train._reporter import Reporter
from scratchconv.train._run import CURVES, RunFolder


class Journal:
    """Keeps the account of one run in its folder and tells the reporter.

    Parameters
    ----------
    iterations
        Optimizer steps in an epoch.
    """

    def __init__(self, run: RunFolder, reporter: Reporter, config: TrainConfig, iterations: int) -> None:
        self._run, self._reporter, self._config, self._iterations = run, reporter, config, iterations
        self._epoch, self._step, self._saved = 0, 0, 0
        self._loss, self._images, self._summary = 0.0, 0, ""
        self._step_ended = self._lap_started = time.perf_counter()

    def start_epoch(self, epoch: int) -> None:
        """Note that ``epoch`` (counted from 1) begins."""
        self._epoch, self._loss, self._images = epoch, 0.0, 0
        self._step_ended = self._lap_started = time.perf_counter()

    def step(self, iteration: int, images: int, loss: float) -> None:
        """Note optimizer step ``iteration`` (counted from 1) of this epoch: mean ``loss`` over ``images`` images."""
        now = time.perf_counter()
        seconds, self._step_ended = now - self._step_ended, now
        self._step, self._images, self._loss = self._step + 1, self._images + images, self._loss + images * loss
        self._run.record(
            "step", epoch=self._epoch, step=self._step, loss=loss, images=images, seconds=round(seconds, 6)
        )
        self._reporter.advance(self._epoch, images, loss)
        if iteration % self._config.log_every == 0:
            where = f"Epoch [{self._epoch}/{self._config.epochs}], Iter [{iteration}/{self._iterations}]"
            self._reporter.message(f"{where} Loss: {loss:.4f}")

    def end_epoch(self, model: sc.nn.Module, lr: float) -> None:
        """Note that all steps of this epoch are done, at learning rate ``lr``, and write the checkpoint."""
        seconds = self._lap()
        rate, loss = self._images / seconds, self._loss / self._images
        values = {"loss": loss, "lr": lr, "seconds": round(seconds, 6), "images_per_second": round(rate, 1)}
        self._run.record("epoch", epoch=self._epoch, step=self._step, **values)
        self._summary = f"Epoch [{self._epoch}/{self._config.epochs}] training loss {loss:.4f}, {rate:,.0f} images/s"
        self._run.save_model(model)
        self._saved = self._epoch

    def end_test(self, test: Score) -> None:
        """Note that the test set was scored."""
        values = {**test._asdict(), "seconds": round(self._lap(), 6)}
        self._run.record("test", epoch=self._epoch, step=self._step, **values)
        self._reporter.message(f"{self._summary}, test accuracy {100 * test.accuracy:.2f} %")

    def interrupted(self) -> None:
        """Say what an interrupted run leaves."""
        kept = f"the checkpoint of epoch {self._saved}" if self._saved else "no checkpoint yet"
        self._reporter.message(
            f"Interrupted in epoch {self._epoch}: settings, the metrics so far and {kept} are in {self._run.path}"
        )

    def finished(self) -> None:
        """Draw the curves and say where everything is."""
        if not self._run.draw_curves():
            self._reporter.message(f"No {CURVES}: matplotlib is missing (pip install 'scratchconv[plot]')")
        self._reporter.message(f"Saved in {self._run.path}")

    def _lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        seconds, self._lap_started = now - self._lap_started, now
        return seconds
