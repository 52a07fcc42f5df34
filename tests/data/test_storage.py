from __future__ import annotations

from pathlib import Path

import pooch
import pytest

from scratchconv.data import data_root
from scratchconv.data.storage import ROOT_VARIABLE, DataError, remedies


def test_the_argument_comes_before_the_environment_and_that_before_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, "/from/environment")
    assert data_root("/from/argument") == Path("/from/argument")
    assert data_root() == Path("/from/environment")
    for unset in (lambda: monkeypatch.setenv(ROOT_VARIABLE, ""), lambda: monkeypatch.delenv(ROOT_VARIABLE)):
        unset()
        assert data_root() == Path(pooch.os_cache("scratchconv"))


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert data_root("~/data") == Path("/home/someone/data")


def test_remedies_name_every_way_out() -> None:
    text = remedies(Path("/root/MNIST/raw"), ["https://example.org/a.gz", "https://example.org/b.gz"])
    wanted = ("--data-root", ROOT_VARIABLE, "/root/MNIST/raw", "https://example.org/a.gz", "https://example.org/b.gz")
    assert all(part in text for part in (*wanted, "download=True", "--data digits"))


def test_data_error_is_the_type_that_torchvision_raises() -> None:
    assert issubclass(DataError, RuntimeError)
