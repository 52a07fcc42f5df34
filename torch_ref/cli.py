"""``python -m torch_ref``: train, parity and compare.

Each command imports what it needs when it runs, so that training does not load scratchconv and ``--help`` not torch.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The reference implementation in PyTorch, and its comparison with scratchconv.",
)

ModelName = Literal["cnn", "resnet"]
DataName = Literal["digits", "mnist", "fashion-mnist", "cifar10"]
Model = Annotated[ModelName, typer.Argument(help="The article's network.", show_default=False)]
Data = Annotated[DataName, typer.Option(help="Data set.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training data.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images a step.")]
LearningRate = Annotated[float, typer.Option(min=0.0, help="Adam's learning rate, divided by 3 every 20 epochs.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads (default: all cores).")]
DataRoot = Annotated[Path | None, typer.Option(help="Where data sets are kept (default: $SCRATCHCONV_DATA).")]


@app.command()
def train(
    model: Model,
    out: Annotated[Path, typer.Option(help="Run folder.", show_default=False)],
    data: Data = "digits",
    epochs: Epochs = 1,
    batch_size: BatchSize = 100,
    lr: LearningRate = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights, shuffling and augmentation.")] = 0,
    threads: Threads = None,
    data_root: DataRoot = None,
    channels_last: Annotated[bool, typer.Option(help="Keep activations and weights channels-last.")] = False,
) -> None:
    """Train a network in PyTorch and leave a run folder like scratchconv's."""
    from torch_ref.train import Settings, fit

    with _plain_errors():
        settings = Settings(
            model, data, out, epochs, batch_size, lr, seed, threads, data_root, channels_last=channels_last
        )
        fit(settings, typer.echo)


@app.command()
def parity(
    dtype: Annotated[Literal["float32", "float64"] | None, typer.Option(help="Only this dtype.")] = None,
    op: Annotated[list[str] | None, typer.Option(help="Only this operation (repeatable).")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every case to this file.")] = None,
) -> None:
    """Compare every operation of scratchconv with PyTorch; exit code 1 if an error exceeds its limit."""
    from torch_ref.parity import report
    from torch_ref.parity.cases import CASES

    with _plain_errors():
        lines = report.run(CASES, ops=op, dtypes=[dtype] if dtype else None)
        console = Console()
        console.width = max(console.width, report.WIDTH)  # a table cut off at 80 columns is of no use in a log
        console.print(report.table(report.rows(lines)))
        if json_file is not None:
            report.write_json(json_file, lines)
    if not all(line.passed for line in lines):
        raise typer.Exit(1)


@app.command()
def compare(
    model: Model,
    data: Data = "digits",
    seeds: Annotated[str, typer.Option(help="0-4, or 0,2,5.")] = "0-4",
    epochs: Epochs = 1,
    batch_size: BatchSize = 100,
    lr: LearningRate = 1e-3,
    threads: Threads = None,
    data_root: DataRoot = None,
    channels_last: Annotated[bool, typer.Option(help="PyTorch's memory format.")] = True,
    out: Annotated[Path | None, typer.Option(help="JSON (default: benchmarks/results/train-MODEL-DATA.json).")] = None,
) -> None:
    """Train with both libraries over the same seeds: accuracy, time and memory as JSON and as a table."""
    import tempfile

    from torch_ref.compare import Plan, parse_seeds, table
    from torch_ref.compare import compare as run

    path = out or Path("benchmarks", "results", f"train-{model}-{data}.json")
    with _plain_errors(), tempfile.TemporaryDirectory(prefix="torch_ref-compare-") as runs:
        plan = Plan(model, data, parse_seeds(seeds), epochs, batch_size, lr, threads, data_root, channels_last)
        document = run(plan, Path(runs), typer.echo)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")
        Console().print(table(document))
        typer.echo(f"Written to {path}")


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn mistakes of the user into one line and exit code 1."""
    try:
        yield
    except (OSError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
