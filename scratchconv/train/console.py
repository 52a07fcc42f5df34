"""The reporter of the command line: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from scratchconv.train._reporter import Reporter

__all__ = ["ConsoleReporter"]


class ConsoleReporter(Reporter):
    """Shows loss, images a second and the time left in one bar over all epochs, and messages above it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("{task.fields[rate]:,.0f} images/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
            refresh_per_second=4,
        )
        self._task = TaskID(0)

    def begin(self, epochs: int, images: int) -> None:
        """Open the bar."""
        self._task = self._bar.add_task("", total=epochs * images, epoch=1, epochs=epochs, loss=float("nan"), rate=0.0)
        self._bar.start()

    def advance(self, epoch: int, images: int, loss: float) -> None:
        """Move the bar."""
        rate = self._bar.tasks[self._task].speed or 0.0
        self._bar.update(self._task, advance=images, epoch=epoch, loss=loss, rate=rate)

    def message(self, text: str) -> None:
        """Print one line, as it is: paths and brackets are not markup, and long lines are not broken."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Remove the bar."""
        self._bar.stop()
