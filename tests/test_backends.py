"""The switches that choose how an operation computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from scratchconv import backends
from scratchconv.kernels.conv2d import _winograd_plan
from scratchconv.ops import _convolution


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    backends.conv.algorithm = "auto"
    backends.conv.precision = "exact"


def test_the_default_is_the_fastest_exact_one() -> None:
    assert (backends.conv.algorithm, backends.conv.precision) == ("auto", "exact")


def test_every_name_has_an_algorithm_and_every_algorithm_a_name() -> None:
    for name in get_args(backends.Algorithm):
        assert name == "auto" or hasattr(_convolution, name)
        backends.conv.algorithm = name
        assert backends.conv.algorithm == name


@pytest.mark.parametrize("wrong", ["winograd7", "Direct", "", None, 1])
def test_an_unknown_name_is_refused_and_changes_nothing(wrong: object) -> None:
    backends.conv.algorithm = "naive"
    with pytest.raises(ValueError, match=r"must be one of .*'direct'.*, got"):
        backends.conv.algorithm = wrong  # type: ignore[assignment]
    assert backends.conv.algorithm == "naive"


def test_every_precision_has_tiles() -> None:
    for name in get_args(backends.Precision):
        backends.conv.precision = name
        assert backends.conv.precision == name
        assert name in _winograd_plan.TILES


@pytest.mark.parametrize("wrong", ["Fast", "exactly", "", None, 2])
def test_an_unknown_precision_is_refused_and_changes_nothing(wrong: object) -> None:
    backends.conv.precision = "fast"
    with pytest.raises(ValueError, match=r"precision must be one of .*'exact', 'fast'.*, got"):
        backends.conv.precision = wrong  # type: ignore[assignment]
    assert backends.conv.precision == "fast"
