"""Ten training steps of both networks beside PyTorch, from equal weights on equal batches.

In float64 rounding is far below any gap between a ReLU's input and zero or between two candidates of a max-pool, so the
trajectories must agree closely. In float32 one of some hundred thousand near-ties may fall the other way under any
change of rounding, PyTorch's own other memory format included, and Adam divides each gradient by its size: a weight
whose gradient is all rounding noise moves by the full learning rate in a direction of chance. So float32 is held to
losses and to the whole network's weights, and each layer's gradient only in the first step, before noise has spread.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scratchconv as sc
from tests.parity.trajectory import STEPS, Trajectory, batches, train
from torch_ref.parity.case import Array
from torch_ref.parity.measure import error

NETWORKS = ("cnn", "resnet")


def relative(values: dict[str, Array], truth: dict[str, Array]) -> dict[str, float]:
    """Relative RMS error of each array."""
    assert values.keys() == truth.keys()
    return {name: error(values[name], truth[name]).rms for name in truth}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def truth(network: str) -> Trajectory:
    return train(torch, network, batches(network, seed=1), dtype=np.float64)


@pytest.fixture(scope="module")
def theirs(network: str) -> Trajectory:
    return train(torch, network, batches(network, seed=1))


@pytest.fixture(scope="module")
def theirs_channels_last(network: str) -> Trajectory:
    return train(torch, network, batches(network, seed=1), channels_last=True)


@pytest.fixture(scope="module")
def ours(network: str) -> Trajectory:
    return train(sc, network, batches(network, seed=1))


def test_the_batches_can_be_learnt(truth: Trajectory) -> None:
    assert min(truth.losses) < 0.8 * truth.losses[0]


def test_float64_trajectory(network: str, truth: Trajectory) -> None:
    mine = train(sc, network, batches(network, seed=1), dtype=np.float64)
    # Rounding of 1e-16 grows through Adam's division where a gradient is small; ten steps leave it near 1e-12.
    np.testing.assert_allclose(mine.losses, truth.losses, rtol=1e-9)
    errors = relative(mine.state, truth.state)
    assert not {name: e for name, e in errors.items() if e > (1e-6 if moved_by_rounding(name) else 1e-8)}
    for step in range(STEPS):
        errors = relative(mine.steps[step].gradients, truth.steps[step].gradients)
        assert max(significant(errors, truth, step).values()) < 1e-8, f"step {step + 1}"


def test_float32_losses(
    truth: Trajectory, theirs: Trajectory, theirs_channels_last: Trajectory, ours: Trajectory
) -> None:
    def errors(trajectory: Trajectory) -> Array:
        return np.abs(np.subtract(trajectory.losses, truth.losses)) / truth.losses

    assert errors(ours)[0] < 1e-6  # no update yet: a few roundings of a loss near 2.3
    # PyTorch's own two memory formats drift apart as well; how far either has come at a step says what chance can do.
    drift = np.maximum.accumulate(np.maximum(errors(theirs), errors(theirs_channels_last)))
    assert np.all(errors(ours) < np.maximum(5 * drift, 1e-3))  # 1e-3: what one flipped tie is worth


def test_float32_weights(
    truth: Trajectory, theirs: Trajectory, theirs_channels_last: Trajectory, ours: Trajectory
) -> None:
    def distance(trajectory: Trajectory) -> float:
        """Relative RMS over all parameters and buffers together."""
        names = [name for name in truth.state if not name.endswith("num_batches_tracked")]
        difference = sum(np.sum((trajectory.state[n].astype(np.float64) - truth.state[n]) ** 2) for n in names)
        return float(np.sqrt(difference / sum(np.sum(truth.state[n] ** 2) for n in names)))

    assert distance(ours) < max(3 * distance(theirs), 3 * distance(theirs_channels_last), 1e-3)
    tracked = [name for name in truth.state if name.endswith("num_batches_tracked")]
    assert tracked and all(ours.state[name] == STEPS for name in tracked)


def test_first_gradients_layer_by_layer(truth: Trajectory, theirs: Trajectory, ours: Trajectory) -> None:
    mine = significant(relative(ours.steps[0].gradients, truth.steps[0].gradients), truth, 0)
    reference = relative(theirs.steps[0].gradients, truth.steps[0].gradients)
    # 3 times PyTorch's error in the same layer; at least 1e-5, which is what a layer behind ten others has by rounding,
    # and PyTorch may happen to have less.
    wrong = {name: (e, reference[name]) for name, e in mine.items() if e > max(3 * reference[name], 1e-5)}
    assert not wrong


def moved_by_rounding(name: str) -> bool:
    """Whether chance moves it: a bias that batch normalisation subtracts again, or a mean that holds such a bias.

    Its gradient is zero but for rounding near 1e-14, of which Adam, dividing by 1e-8, makes steps of 1e-9.
    """
    return name.endswith((".0.bias", "running_mean"))


def significant(errors: dict[str, float], truth: Trajectory, step: int) -> dict[str, float]:
    """Leave out gradients that are zero but for rounding: of a bias that batch normalisation subtracts again."""
    gradients = truth.steps[step].gradients
    sizes = {name: float(np.abs(gradients[name]).max()) for name in errors}
    kept = {name: e for name, e in errors.items() if sizes[name] > 1e-9 * max(sizes.values())}
    assert len(kept) >= len(errors) - 2  # the CNN's two convolution biases
    return kept
