from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import nn
from scratchconv.autograd import Tensor, random
from tests.nn.twins import assert_layer_equals

# PyTorch says that it copies the input where padding='same' is uneven.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

CASES = {
    "plain": ((3, 5, 3), {}),
    "pairs": ((4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    "groups": ((4, 8, 3), {"groups": 2, "padding": 1, "bias": False}),
    "depthwise": ((5, 5, 3), {"groups": 5, "padding": 1}),
    "same": ((2, 3, 3), {"padding": "same", "dilation": (2, 1)}),
    "same, even kernel": ((2, 3, (2, 4)), {"padding": "same"}),
    "same, even and odd": ((2, 4, (3, 2)), {"padding": "same", "groups": 2, "dilation": 3}),
    "valid": ((2, 3, 3), {"padding": "valid"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_torch(case: tuple) -> None:
    args, settings = case
    x = np.random.default_rng(0).standard_normal((2, args[0], 9, 8))
    assert_layer_equals(nn.Conv2d(*args, **settings), torch.nn.Conv2d(*args, **settings), x)


@given(k=st.integers(1, 5), dilation=st.integers(1, 3), size=st.integers(1, 7))
def test_same_padding_keeps_the_size(k: int, dilation: int, size: int) -> None:
    layer = nn.Conv2d(1, 1, (k, 1), padding="same", dilation=(dilation, 1), dtype=np.float64)
    x = np.random.default_rng(k).standard_normal((1, 1, size, 3))
    theirs = torch.nn.functional.conv2d(
        torch.from_numpy(x),
        torch.from_numpy(np.array(layer.weight.data, order="C")),
        torch.from_numpy(layer.bias.data),
        padding="same",
        dilation=(dilation, 1),
    )
    y = layer(Tensor(x))
    assert y.shape == x.shape
    np.testing.assert_allclose(y.detach().numpy(), theirs.numpy(), atol=1e-14)  # float64, at most six terms


def test_weights_lie_in_the_order_the_kernels_read() -> None:
    layer = nn.Conv2d(4, 6, (3, 2), groups=2)
    assert layer.weight.shape == (6, 2, 3, 2)
    assert layer.weight.data.transpose(2, 3, 1, 0).flags.c_contiguous
    layer.load_state_dict(torch.nn.Conv2d(4, 6, (3, 2), groups=2).state_dict())
    assert layer.weight.data.transpose(2, 3, 1, 0).flags.c_contiguous
    layer.double()
    assert layer.weight.data.transpose(2, 3, 1, 0).flags.c_contiguous


@pytest.mark.parametrize(
    ("args", "settings"),
    [
        ((3, 4, 3), {"groups": 2}),
        ((4, 3, 3), {"groups": 2}),
        ((4, 4, 3), {"groups": 0}),
        ((1, 1, 3), {"padding": "same", "stride": 2}),
        ((1, 1, 3), {"padding": "full"}),
        ((1, 1, 3), {"padding_mode": "mirror"}),
    ],
)
def test_refuses_what_torch_refuses(args: tuple, settings: dict) -> None:
    with pytest.raises(ValueError, match=str(next(reversed(settings)))):
        torch.nn.Conv2d(*args, **settings)
    with pytest.raises(ValueError, match=str(next(reversed(settings)))):
        nn.Conv2d(*args, **settings)


def test_says_which_padding_modes_are_missing() -> None:
    with pytest.raises(NotImplementedError, match="padding_mode='reflect'"):
        nn.Conv2d(1, 1, 3, padding_mode="reflect")


def test_names_the_channels_of_a_wrong_input() -> None:
    layer = nn.Conv2d(3, 4, 3)
    with pytest.raises(RuntimeError, match=r"\(2, 1, 8, 8\)"):
        layer(Tensor(np.zeros((2, 1, 8, 8), np.float32)))


@given(channels=st.integers(1, 6), k=st.integers(1, 5), seed=st.integers(0, 9))
def test_default_bound_is_one_over_root_fan_in(channels: int, k: int, seed: int) -> None:
    random.manual_seed(seed)
    layer = nn.Conv2d(channels, 64, k)
    bound = 1 / np.sqrt(channels * k * k)
    for values in (layer.weight.data, layer.bias.data):
        # 64 uniform draws or more: all within the bound, and the largest in its upper fifth (missed by 0.8**64 < 1e-6).
        assert 0.8 * bound < np.abs(values).max() <= np.float32(bound)
