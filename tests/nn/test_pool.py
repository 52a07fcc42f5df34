from __future__ import annotations

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_layer_equals

X = np.random.default_rng(0).standard_normal((2, 3, 7, 8))


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
        {"kernel_size": 2, "dilation": (2, 3), "stride": 1},
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    ],
)
def test_max_pool_equals_torch(settings: dict) -> None:
    assert_layer_equals(nn.MaxPool2d(**settings), torch.nn.MaxPool2d(**settings), X)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
        {"kernel_size": 2, "divisor_override": 3},
    ],
)
def test_avg_pool_equals_torch(settings: dict) -> None:
    assert_layer_equals(nn.AvgPool2d(**settings), torch.nn.AvgPool2d(**settings), X)


def test_positional_arguments_are_in_torchs_order() -> None:
    assert_layer_equals(nn.MaxPool2d(3, 2, 1, 2, False, True), torch.nn.MaxPool2d(3, 2, 1, 2, False, True), X)
    assert_layer_equals(nn.AvgPool2d(3, 2, 1, True, False, 5), torch.nn.AvgPool2d(3, 2, 1, True, False, 5), X)


def test_indices_are_not_returned() -> None:
    with pytest.raises(NotImplementedError, match="return_indices"):
        nn.MaxPool2d(2, return_indices=True)


def test_padding_beyond_half_the_kernel_is_refused() -> None:
    for layer in (nn.MaxPool2d(2, padding=2), nn.AvgPool2d(2, padding=2)):
        with pytest.raises(RuntimeError, match="padding"):
            layer(Tensor(X))
    with pytest.raises(RuntimeError):
        torch.nn.MaxPool2d(2, padding=2)(torch.from_numpy(X))
