"""The command line: ``scratchconv train`` and ``scratchconv eval``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import scratchconv as sc
from scratchconv.data import DataError
from scratchconv.train import DataName, ModelName, TrainConfig, evaluate_run, fit
from scratchconv.train.console import ConsoleReporter

__all__ = ["app", "evaluate", "main", "train"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_DataRoot = Annotated[
    Path | None, typer.Option(help="Where data sets are kept (default: $SCRATCHCONV_DATA, or the user's cache folder).")
]


def _show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"scratchconv {sc.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Convolution kernels you can read and trust, and the training engine around them."""


@app.command()
def train(
    model: Annotated[ModelName, typer.Argument(help="The article's network to train.", show_default=False)],
    data: Annotated[DataName, typer.Option(help="Data set; digits needs no download.")] = "digits",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training data.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 100,
    lr: Annotated[float, typer.Option(help="Adam's learning rate, divided by 3 every 20 epochs.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights, shuffling and augmentation.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads (default: all cores).")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (default: runs/MODEL-DATA-TIME).")] = None,
    data_root: _DataRoot = None,
    log_every: Annotated[int, typer.Option(min=1, help="Iterations from one line to the next.")] = 100,
    eager: Annotated[bool, typer.Option("--eager", help="Do not compile the model.")] = False,
) -> None:
    """Train a network and leave a run folder: settings, metrics, weights, curves."""
    with _plain_errors():
        config = TrainConfig(model, data, epochs, batch_size, lr, seed, threads, out, data_root, log_every, eager)
        fit(config, ConsoleReporter())


@app.command("eval")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder of an earlier training.", show_default=False)],
    data_root: _DataRoot = None,
) -> None:
    """Score a run's weights on its test set."""
    with _plain_errors():
        score = evaluate_run(run, data_root)
        typer.echo(f"Test accuracy {100 * score.accuracy:.2f} %, loss {score.loss:.4f}, {score.images} images")


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn mistakes of the user into one line and exit code 1, and Ctrl-C into exit code 130."""
    try:
        yield
    except (OSError, ValueError, DataError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
