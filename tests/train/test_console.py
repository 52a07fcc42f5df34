"""The reporter of the command line."""

from __future__ import annotations

import io

from rich.console import Console

from scratchconv.train.console import ConsoleReporter


def shown(terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    reporter = ConsoleReporter(console)
    reporter.begin(epochs=2, images=10)
    reporter.advance(1, 5, 1.25)
    reporter.message("Epoch [1/2], Iter [1/2] Loss: 1.2500")
    reporter.advance(1, 5, 0.5)
    reporter.end()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    assert shown(terminal=False) == "Epoch [1/2], Iter [1/2] Loss: 1.2500\n"


def test_a_bar_with_loss_rate_and_time_on_a_terminal() -> None:
    text = shown(terminal=True)
    assert "Epoch [1/2], Iter [1/2] Loss: 1.2500" in text
    for part in ("epoch 1/2", "50 %", "loss 0.5000", "images/s", "left"):
        assert part in text, part


def test_long_lines_and_brackets_stay_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=20, color_system=None)
    ConsoleReporter(console).message("Saved in /a/rather/long/path/[bold]/that/is/not/markup")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "Saved in /a/rather/long/path/[bold]/that/is/not/markup\n"
