"""The training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import scratchconv as sc
from scratchconv.train import _task
from scratchconv.train._config import TrainConfig
from scratchconv.train._evaluate import Score, evaluate
from scratchconv.train._journal import Journal
from scratchconv.train._reporter import Reporter
from scratchconv.train._run import RunFolder

DECAY_EPOCHS, DECAY = 20, 1 / 3  # the article: the learning rate is divided by 3 every 20 epochs


@dataclass(frozen=True)
class Result:
    """What ``fit`` leaves: the trained model, its run folder, and the score on the test set after the last epoch."""

    model: sc.nn.Module
    run: Path
    test: Score


def fit(config: TrainConfig, reporter: Reporter | None = None) -> Result:
    """Train one of the article's networks with Adam and cross-entropy, and leave a run folder.

    The checkpoint is rewritten after every epoch. An interrupted run keeps the settings, the metrics so far and the
    checkpoint of the last whole epoch.

    Raises
    ------
    FileExistsError
        If the run folder already holds something.
    ValueError
        If this machine does not have that many threads.
    """
    reporter = reporter or Reporter()
    run = RunFolder(config.folder())
    run.refuse_if_used()  # before any data are downloaded
    _set_threads(config.threads)
    sc.manual_seed(config.seed)
    model = _task.model(config)
    runner = model if config.eager else sc.compile(model)
    training, testing = _task.train_loader(config), _task.test_loader(config, config.data_root)
    optimizer = sc.optim.Adam(model.parameters(), lr=config.lr)
    scheduler = sc.optim.lr_scheduler.StepLR(optimizer, step_size=DECAY_EPOCHS, gamma=DECAY)
    run.create(config)
    journal = Journal(run, reporter, config, iterations=len(training))
    reporter.begin(config.epochs, len(training.dataset))
    try:
        for epoch in range(1, config.epochs + 1):
            journal.start_epoch(epoch)
            train_epoch(runner, training, optimizer, journal.step)
            journal.end_epoch(model, scheduler.get_last_lr()[0])
            scheduler.step()
            test = evaluate(runner, testing)
            journal.end_test(test)
    except KeyboardInterrupt:
        journal.interrupted()
        raise
    finally:
        reporter.end()
    journal.finished()
    return Result(model, run.path, test)


def train_epoch(
    model: sc.nn.Module | sc.compiler.CompiledModel,
    loader: sc.data.DataLoader,
    optimizer: sc.optim.Optimizer,
    after_step: Callable[[int, int, float], None],
) -> None:
    """One pass over the training data; ``after_step(iteration, images, loss)`` hears about each step."""
    model.train()
    for iteration, (images, labels) in enumerate(loader, 1):
        loss = sc.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after_step(iteration, len(labels), loss.item())


def _set_threads(count: int | None) -> None:
    """Set the number of threads, if one is asked for."""
    if count is not None:
        try:
            sc.set_num_threads(count)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
