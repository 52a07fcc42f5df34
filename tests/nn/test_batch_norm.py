from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_layer_equals, assert_same_numbers, give_state

settings = st.fixed_dictionaries(
    {
        "eps": st.sampled_from([1e-5, 0.1]),
        "momentum": st.sampled_from([0.1, 0.0, 1.0, None]),
        "affine": st.booleans(),
        "track_running_stats": st.booleans(),
    }
)


@given(settings=settings, training=st.booleans())
def test_equals_torch(settings: dict, training: bool) -> None:
    x = np.random.default_rng(0).normal(3, 2, (3, 5, 4, 2))
    ours, theirs = nn.BatchNorm2d(5, **settings), torch.nn.BatchNorm2d(5, **settings)
    assert_layer_equals(ours.train(training), theirs.train(training), x)


@given(settings=settings)
def test_running_statistics_over_several_batches(settings: dict) -> None:
    ours, theirs = nn.BatchNorm2d(2, **settings).double(), torch.nn.BatchNorm2d(2, **settings).double()
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(-1, 3, (2, 2, 3, 3))
        ours(Tensor(x)), theirs(torch.from_numpy(x))
    for (name, our_buffer), (_, their_buffer) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert_same_numbers(our_buffer, their_buffer, name)
    x = rng.normal(-1, 3, (2, 2, 3, 3))
    assert_same_numbers(ours.eval()(Tensor(x)), theirs.eval()(torch.from_numpy(x)), "output in evaluation")


def test_counts_batches_in_training_only() -> None:
    layer = nn.BatchNorm2d(1)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 1, 2, 2)).astype(np.float32))
    layer(x)
    layer.eval()(x)
    assert layer.num_batches_tracked.item() == 1
    assert layer.num_batches_tracked.dtype == np.int64
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.tolist() == [0]
    assert layer.running_var.tolist() == [1]


def test_state_can_come_from_torch_and_go_back() -> None:
    theirs = torch.nn.BatchNorm2d(3)
    theirs(torch.randn(4, 3, 2, 2))
    ours = nn.BatchNorm2d(3)
    ours.load_state_dict(theirs.state_dict())
    fresh = torch.nn.BatchNorm2d(3)
    give_state(ours, fresh)
    assert fresh.num_batches_tracked == 1
    assert torch.equal(fresh.running_var, theirs.running_var)


@pytest.mark.parametrize("shape", [(3, 5), (5, 4, 2)])
def test_wants_four_axes(shape: tuple) -> None:
    with pytest.raises(ValueError, match="4-D"):
        nn.BatchNorm2d(5)(Tensor(np.zeros(shape, np.float32)))


def test_one_value_per_channel_has_no_variance() -> None:
    x = np.zeros((1, 5, 1, 1), np.float32)
    with pytest.raises(ValueError):
        torch.nn.BatchNorm2d(5)(torch.from_numpy(x))
    with pytest.raises(ValueError, match=r"\(1, 5, 1, 1\)"):
        nn.BatchNorm2d(5)(Tensor(x))
