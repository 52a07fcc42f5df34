"""What a training run tells whoever watches it."""

from __future__ import annotations


class Reporter:
    """Hears about the progress of a run and says nothing; subclasses show it."""

    def begin(self, epochs: int, images: int) -> None:
        """Training starts: ``epochs`` passes over ``images`` images."""

    def advance(self, epoch: int, images: int, loss: float) -> None:
        """One optimizer step of ``epoch`` (counted from 1) over ``images`` images is done."""

    def message(self, text: str) -> None:
        """One line for the reader."""

    def end(self) -> None:
        """Training is over, or was interrupted."""
