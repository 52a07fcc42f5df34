from __future__ import annotations

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_layer_equals


@pytest.mark.parametrize("dims", [(), (0,), (2,), (1, 2), (-3, -2)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_flatten_equals_torch(dims: tuple, channels_last: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert_layer_equals(nn.Flatten(*dims), torch.nn.Flatten(*dims), x)


def test_identity_ignores_its_arguments() -> None:
    x = Tensor(np.ones(3))
    assert nn.Identity(54, unused=True)(x) is x
    assert repr(nn.Identity()) == repr(torch.nn.Identity())
