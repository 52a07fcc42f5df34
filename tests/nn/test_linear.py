from __future__ import annotations

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_layer_equals


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 7), (7,), (2, 3, 7), (0, 7)])
def test_equals_torch(shape: tuple, bias: bool) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    assert_layer_equals(nn.Linear(7, 5, bias=bias), torch.nn.Linear(7, 5, bias=bias), x)


def test_hand_computed() -> None:
    layer = nn.Linear(2, 3)
    layer.load_state_dict({"weight": [[1, 2], [3, 4], [5, 6]], "bias": [10, 20, 30]})
    y = layer(Tensor(np.array([[1, -1]], np.float32)))
    assert y.tolist() == [[9, 19, 29]]


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")  # PyTorch says so
def test_no_features_at_all(sizes: tuple) -> None:
    x = np.ones((2, sizes[0]))
    assert_layer_equals(nn.Linear(*sizes), torch.nn.Linear(*sizes), x)


def test_refuses_another_width() -> None:
    with pytest.raises(RuntimeError, match=r"\(4, 6\)"):
        nn.Linear(7, 5)(Tensor(np.zeros((4, 6), np.float32)))


def test_default_bound_is_one_over_root_in_features() -> None:
    layer = nn.Linear(25, 400)
    for values in (layer.weight.data, layer.bias.data):
        # 400 uniform draws or more: the largest is within 10 % of the bound (missed by 0.9**400 < 1e-18).
        assert 0.9 / 5 < np.abs(values).max() <= np.float32(1 / 5)
