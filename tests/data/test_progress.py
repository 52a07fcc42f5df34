from __future__ import annotations

import logging

import pooch
import pytest
from rich.progress import Progress

from scratchconv.data.progress import DownloadBar, download_bar


def test_bar_counts_as_pooch_drives_it() -> None:
    progress = Progress(disable=True)
    bar = DownloadBar(progress, "a.gz")
    bar.total = 100
    bar.update(64)
    bar.update(64)
    bar.reset()
    bar.update(100)
    bar.close()
    task = progress.tasks[0]
    assert (task.description, task.total, task.completed) == ("a.gz", 100, 100)


def test_a_server_that_does_not_say_the_size() -> None:
    bar = DownloadBar(Progress(disable=True), "a.gz")
    bar.total = 0
    assert bar.total is None


def test_bar_is_drawn_on_stderr_and_poochs_log_waits(capsys: pytest.CaptureFixture[str]) -> None:
    level = pooch.get_logger().level
    with download_bar("train-images.gz") as bar:
        assert pooch.get_logger().level == logging.WARNING
        bar.total = 10
        bar.update(10)
    assert pooch.get_logger().level == level
    captured = capsys.readouterr()
    assert "train-images.gz" in captured.err and captured.out == ""
