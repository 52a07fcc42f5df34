"""The switches that choose how an operation computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from scratchconv import backends
from scratchconv.ops import conv2d


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    backends.conv.algorithm = "auto"


def test_the_default_is_the_fastest_exact_one() -> None:
    assert backends.conv.algorithm == "auto"


def test_every_name_has_an_algorithm_and_every_algorithm_a_name() -> None:
    assert set(get_args(backends.Algorithm)) == {"auto", *conv2d._ALGORITHMS}
    for name in get_args(backends.Algorithm):
        backends.conv.algorithm = name
        assert backends.conv.algorithm == name


@pytest.mark.parametrize("wrong", ["winograd7", "Direct", "", None, 1])
def test_an_unknown_name_is_refused_and_changes_nothing(wrong: object) -> None:
    backends.conv.algorithm = "naive"
    with pytest.raises(ValueError, match=r"must be one of .*'direct'.*, got"):
        backends.conv.algorithm = wrong  # type: ignore[assignment]
    assert backends.conv.algorithm == "naive"
