from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scratchconv.autograd import Tensor, random
from scratchconv.nn import init

SHAPES = [(40, 50), (20, 10, 3, 3)]


def filled(name: str, shape: tuple, *args: object, **settings: object) -> np.ndarray:
    random.manual_seed(0)
    tensor = Tensor(np.full(shape, np.nan))
    assert getattr(init, name)(tensor, *args, **settings) is tensor
    return tensor.data


def torchs(name: str, shape: tuple, *args: object, **settings: object) -> np.ndarray:
    torch.manual_seed(0)
    return getattr(torch.nn.init, name)(torch.full(shape, torch.nan, dtype=torch.float64), *args, **settings).numpy()


UNIFORM = [
    ("uniform_", (-1.0, 3.0), {}),
    ("xavier_uniform_", (), {"gain": 2.0}),
    ("kaiming_uniform_", (), {"a": math.sqrt(5)}),
    ("kaiming_uniform_", (), {"mode": "fan_out", "nonlinearity": "relu"}),
]
NORMAL = [
    ("normal_", (2.0, 0.5), {}),
    ("xavier_normal_", (), {"gain": 2.0}),
    ("kaiming_normal_", (), {"a": 0.3}),
    ("kaiming_normal_", (), {"mode": "fan_out", "nonlinearity": "tanh"}),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "args", "settings"), UNIFORM)
def test_uniform_has_torchs_range_and_moments(name: str, args: tuple, settings: dict, shape: tuple) -> None:
    ours, theirs = filled(name, shape, *args, **settings), torchs(name, shape, *args, **settings)
    # Of 1800 uniform draws or more the extremes lie within 1 % of the bounds but for one case in e^9 (0.995**1800).
    width = np.ptp(theirs)
    np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], rtol=0, atol=0.01 * width)
    # The mean of n uniform draws has a standard error of width/√(12n): five of them (for two means, √2 more).
    assert abs(ours.mean() - theirs.mean()) < 5 * math.sqrt(2) * width / math.sqrt(12 * ours.size)
    np.testing.assert_allclose(ours.var(), width**2 / 12, rtol=5 * math.sqrt(0.8 / ours.size))  # its relative error


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "args", "settings"), NORMAL)
def test_normal_has_torchs_moments(name: str, args: tuple, settings: dict, shape: tuple) -> None:
    ours, theirs = filled(name, shape, *args, **settings), torchs(name, shape, *args, **settings)
    # Standard errors: σ/√n of a mean, σ/√(2n) of a standard deviation; five of them, √2 more for a difference.
    error = 5 * math.sqrt(2) * theirs.std() / math.sqrt(ours.size)
    assert abs(ours.mean() - theirs.mean()) < error
    assert abs(ours.std() - theirs.std()) < error / math.sqrt(2)
    share_within_one_sigma = np.mean(np.abs(ours - ours.mean()) < ours.std())
    assert abs(share_within_one_sigma - math.erf(math.sqrt(0.5))) < 5 * 0.5 / math.sqrt(ours.size)


@pytest.mark.parametrize(("name", "args", "value"), [("zeros_", (), 0), ("ones_", (), 1), ("constant_", (0.3,), 0.3)])
def test_constants(name: str, args: tuple, value: float) -> None:
    assert np.array_equal(filled(name, (3, 2), *args), np.full((3, 2), value))


@pytest.mark.parametrize("shape", [(3, 4), (5, 2, 3, 4), (6, 1)])
def test_fans_equal_torchs(shape: tuple) -> None:
    assert init.fans(Tensor(np.zeros(shape))) == torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(shape))


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
@pytest.mark.parametrize("param", [None, 0.2])
def test_gains_equal_torchs(name: str, param: float | None) -> None:
    assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_refuses_what_torch_refuses() -> None:
    for library, vector, matrix in (
        (init, Tensor(np.zeros(3)), Tensor(np.zeros((3, 3)))),
        (torch.nn.init, torch.zeros(3), torch.zeros(3, 3)),
    ):
        with pytest.raises(ValueError):
            library.kaiming_uniform_(vector)
        with pytest.raises(ValueError, match="fan_both"):
            library.kaiming_normal_(matrix, mode="fan_both")
        with pytest.raises(ValueError, match="swish"):
            library.calculate_gain("swish")


def test_seed_reproduces_and_memory_order_does_not_matter() -> None:
    first, again = filled("normal_", (4, 3, 2, 2)), filled("normal_", (4, 3, 2, 2))
    assert np.array_equal(first, again)
    random.manual_seed(0)
    other_order = Tensor(np.zeros((2, 2, 3, 4)).transpose(3, 2, 0, 1))
    assert np.array_equal(init.normal_(other_order).data, first)
    assert not np.array_equal(init.normal_(Tensor(np.zeros((4, 3, 2, 2)))).data, first)


def test_parameters_can_be_filled_and_the_change_is_counted() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    y = (w * w).sum()
    init.constant_(w, 3.0)
    assert w.requires_grad
    with pytest.raises(RuntimeError, match="in place"):
        y.backward()
