from __future__ import annotations

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_layer_equals


def test_equals_torch() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    assert_layer_equals(nn.ReLU(), torch.nn.ReLU(), x)
    assert repr(nn.ReLU(inplace=True)) == repr(torch.nn.ReLU(inplace=True))


def test_in_place_reuses_the_memory() -> None:
    x = Tensor(np.array([-1.0, 0.0, 2.0]), requires_grad=True)
    h = x * 3.0
    memory = h.data
    y = nn.ReLU(inplace=True)(h)
    assert y is h
    assert y.data is memory
    assert memory.tolist() == [0, 0, 6]
    y.backward(Tensor(np.ones(3)))
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 3]


def test_in_place_gradients_after_batch_norm_equal_torch() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(inplace=True), torch.nn.Conv2d(4, 2, 1)
    )
    assert_layer_equals(ours, theirs, x)


def test_overwriting_a_saved_value_is_noticed() -> None:
    x = Tensor(np.array([1.0, -2.0]), requires_grad=True)
    y = x.exp()  # saves its result
    nn.ReLU(inplace=True)(y)
    with pytest.raises(RuntimeError, match="in place"):
        y.sum().backward()


def test_a_leaf_is_not_overwritten() -> None:
    x = Tensor(np.array([1.0, -2.0]), requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        nn.ReLU(inplace=True)(x)
    assert x.tolist() == [1, -2]
