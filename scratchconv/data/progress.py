"""A progress bar for downloads, drawn by rich, in the shape that pooch asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class DownloadBar:
    """One line of a rich ``Progress``: pooch sets ``total``, then calls the methods."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    @property
    def total(self) -> float | None:
        """The size of the file in bytes, None while it is not known."""
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        # A server that does not say the size makes pooch set 0.
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        """Count ``size`` more bytes."""
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        """Count from zero again, as pooch does before it fills the bar."""
        self._progress.reset(self._task, total=self.total)

    def close(self) -> None:
        """Do nothing: the bar is taken down with its ``Progress``."""


@contextmanager
def download_bar(description: str) -> Iterator[DownloadBar]:
    """Show a bar on standard error while the block runs; pooch's own log lines, which would cut through it, wait."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
            yield DownloadBar(progress, description)
    finally:
        logger.setLevel(level)
