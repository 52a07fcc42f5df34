"""The silent reporter."""

from __future__ import annotations

import pytest

from scratchconv.train import Reporter


def test_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.begin(2, 100)
    reporter.advance(1, 50, 0.5)
    reporter.message("hello")
    reporter.end()
    assert capsys.readouterr() == ("", "")
