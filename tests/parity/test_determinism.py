"""Training gives the same bits on every repeat and for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import scratchconv as sc
from tests.parity.trajectory import Trajectory, batches, train


@pytest.fixture
def restore_threads() -> Iterator[None]:
    before = sc.get_num_threads()
    yield
    sc.set_num_threads(before)


def assert_same_bits(a: Trajectory, b: Trajectory) -> None:
    assert a.losses == b.losses
    assert a.state.keys() == b.state.keys()
    assert [name for name in a.state if a.state[name].tobytes() != b.state[name].tobytes()] == []


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_threads_and_repeats(network: str) -> None:
    data = batches(network, seed=2, steps=4)
    runs = []
    for threads in (1, 2, 2):
        sc.set_num_threads(threads)
        assert sc.get_num_threads() == threads
        runs.append(train(sc, network, data))
    assert_same_bits(runs[0], runs[1])
    assert_same_bits(runs[1], runs[2])


def test_another_seed_is_another_training() -> None:
    """The comparison above can fail."""
    data = batches("cnn", seed=2, steps=1)
    first, second = (train(sc, "cnn", data, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.state["fc.weight"], second.state["fc.weight"])
