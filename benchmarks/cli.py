"""``python -m benchmarks``: measure, print, and keep the figures as JSON.

Each command imports what it needs when it runs. Every document begins with the machine, versions, commit and load, and
with the ceilings of the machine, measured in the same process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.effort import Effort
from benchmarks.machine import RESULTS
from benchmarks.timing import Probe

__all__ = ["app"]

Keep = Callable[..., None]  # (name, figures, *tables)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure scratchconv beside PyTorch. See benchmarks/README.md for the method.",
)

Threads = Annotated[int, typer.Option(min=1, help="Threads of both libraries.")]
Quick = Annotated[bool, typer.Option(help="Two rows, one round: shows that it works; keeps no files unless --out.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the JSON files (default: benchmarks/results).")]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds, each with all contenders.")]
WIDTH = 140  # a table cut off at 80 columns is of no use in a log


@app.command()
def kernels(quick: Quick = False, out: Out = None, rounds: Rounds = None) -> None:
    """Ceilings of the machine, the article's layers, their neighbours, overhead, and the ladder; one thread."""
    from benchmarks import kernels as layers
    from benchmarks import neighbours, overhead, roofline

    with _measuring(1, quick, out, rounds or 9) as (effort, probe, keep):
        ceilings = roofline.measure(probe, quick)
        keep("roofline", ceilings, roofline.table)
        rows = {"layers": layers.layers(probe, effort), "neighbours": neighbours.measure(probe, effort)}
        keep("kernels", ceilings | rows, layers.layers_table, neighbours.table)
        keep("overhead", overhead.measure_all(probe, effort), overhead.table)
        keep("ladder", ceilings | {"ladder": layers.ladder(probe, effort)}, layers.ladder_table)


@app.command()
def steps(threads: Threads = 1, quick: Quick = False, out: Out = None, rounds: Rounds = None) -> None:
    """Training steps and inference; on several threads each contender is a process of its own."""
    from benchmarks import steps as module

    with _measuring(threads, quick, out, rounds or (15 if threads == 1 else 7)) as (effort, probe, keep):
        name = "steps" if threads == 1 else f"steps-{threads}-threads"
        keep(name, module.measure(probe, effort, threads), module.table)


@app.command()
def sweep(quick: Quick = False, out: Out = None, rounds: Rounds = None) -> None:
    """Over sixty convolutions, each direction, our automatic choice; one thread."""
    from benchmarks import sweep as module

    with _measuring(1, quick, out, rounds or 5) as (effort, probe, keep):
        keep("sweep", module.measure(probe, effort), module.table)


@app.command()
def scaling(threads: Threads = 2, quick: Quick = False, out: Out = None, rounds: Rounds = None) -> None:
    """Batch 1 to 512, side 8 to 224, channels 1 to 256, and 1 to THREADS threads."""
    from benchmarks import scaling as module

    with _measuring(1, quick, out, rounds or 5) as (effort, probe, keep):
        keep("scaling", module.measure(probe, effort, threads), module.table)


@app.command("end-to-end")
def end_to_end(quick: Quick = False, out: Out = None, rounds: Rounds = None) -> None:
    """Whole trainings and the way to the first step, as processes of one thread."""
    from benchmarks import end_to_end as module

    with _measuring(1, quick, out, rounds or 2) as (effort, _, keep):
        keep("end-to-end", module.measure(effort.rounds, "digits" if quick else "mnist"), module.table)


@app.command("all")
def everything(threads: Threads = 2, quick: Quick = False, out: Out = None) -> None:
    """Everything, one after the other, and then the tables and plots of the documentation."""
    kernels(quick, out)
    for count in sorted({1, threads}):
        steps(count, quick, out)
    sweep(quick, out)
    scaling(threads, quick, out)
    end_to_end(quick, out)
    if not quick and out is None:
        from benchmarks import report

        report.main()


@contextlib.contextmanager
def _measuring(threads: int, quick: bool, out: Path | None, rounds: int) -> Iterator[tuple[Effort, Probe, Keep]]:
    """Set the threads of both libraries; give how long to measure, the probe, and what keeps and shows a document."""
    import torch

    import scratchconv as sc

    facts = machine.begin()
    for library in (sc, torch):
        library.set_num_threads(threads)
    effort = Effort(rounds).reduced() if quick else Effort(rounds)
    folder = out if out is not None or quick else RESULTS

    def keep(name: str, figures: dict[str, Any], *tables: Callable[[Any], Any]) -> None:
        for draw in tables:
            console = Console()
            console.width = max(console.width, WIDTH)
            console.print(draw(figures))
        if folder is not None:
            machine.write(name, facts, figures, folder)

    yield effort, Probe(threads), keep
