"""What the tests of the benchmarks share: few and short rounds, and the number of threads left as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import scratchconv as sc
from benchmarks.effort import Effort
from benchmarks.timing import Probe

QUICK = Effort(1).reduced()


@pytest.fixture(scope="session")
def probe() -> Probe:
    return Probe()


@pytest.fixture
def quick() -> Effort:
    return QUICK


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """A benchmark sets the number of threads of both libraries."""
    ours, theirs = sc.get_num_threads(), torch.get_num_threads()
    yield
    sc.set_num_threads(ours)
    torch.set_num_threads(theirs)
