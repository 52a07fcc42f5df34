"""The article's networks in each mode: equal work on both sides, or none is timed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import networks
from benchmarks.networks import EAGER, TORCH_EAGER, Work

TRAINING, INFERENCE = Work("cnn", "training", 4), Work("cnn", "inference", 3)
# Everything but torch.compile, which takes half a minute here.
NAMES = [name for name in networks.contenders() if name not in networks.TORCH_COMPILED]


@pytest.mark.parametrize("work", [TRAINING, INFERENCE], ids=lambda work: work.what)
@pytest.mark.parametrize("name", NAMES)
def test_every_mode_computes_the_same(work: Work, name: str) -> None:
    values = networks.first_values(work, networks.build(work, name))
    assert len(values) == (networks.COMPARED if work.what == "training" else 3 * 10)
    networks.check(work, name, values)


def test_a_step_trains() -> None:
    step = networks.build(TRAINING, EAGER)
    losses = [step() for _ in range(8)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("work", [TRAINING, INFERENCE], ids=lambda work: work.what)
def test_other_work_is_refused(work: Work) -> None:
    right = networks.first_values(work, networks.build(work, EAGER))
    with pytest.raises(RuntimeError, match="nothing was timed"):
        networks.check(work, EAGER, [value * 1.01 for value in right])
    with pytest.raises(RuntimeError, match="nothing was timed"):
        networks.check(work, TORCH_EAGER[0], [float("nan")] * len(right))


def test_running_statistics_are_those_of_a_trained_network() -> None:
    weights = INFERENCE.weights()
    variances = np.concatenate([value for name, value in weights.items() if name.endswith("running_var")])
    assert 0.5 <= variances.min() < variances.max() <= 2
