from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as theirs
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.autograd import Tensor
from scratchconv.nn import functional
from tests.nn.twins import assert_same_numbers

# Deprecated arguments of PyTorch, and dim, whose default of None is deprecated: ours has none.
LEFT_OUT = {"size_average", "reduce", "_stacklevel", "dtype", "dim"}


@pytest.mark.parametrize("name", ["batch_norm", "cross_entropy", "log_softmax", "nll_loss", "relu", "softmax"])
def test_signature_is_torchs(name: str) -> None:
    def parameters(function: Callable) -> list:
        signature = inspect.signature(function).parameters.values()
        return [(parameter.name, parameter.default) for parameter in signature if parameter.name not in LEFT_OUT]

    assert parameters(getattr(functional, name)) == parameters(getattr(theirs, name))


# PyTorch says that it copies the input where padding='same' is uneven.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def both(name: str, *arrays: np.ndarray, **settings: object) -> None:
    """Call both libraries' function on the same arrays; compare results and the gradients of floating arrays."""
    wants = [array.dtype.kind == "f" for array in arrays]
    our_inputs = [Tensor(array.copy(), requires_grad=want) for array, want in zip(arrays, wants, strict=True)]
    their_inputs = [torch.tensor(array, requires_grad=want) for array, want in zip(arrays, wants, strict=True)]
    ours = getattr(functional, name)(*our_inputs, **settings)
    expected = getattr(theirs, name, None) or getattr(torch, name)
    result = expected(*their_inputs, **settings)
    assert_same_numbers(ours, result, name)
    dy = np.random.default_rng(9).standard_normal(ours.shape)
    ours.backward(Tensor(dy))
    result.backward(torch.from_numpy(dy))
    for i, (a, b) in enumerate(zip(our_inputs, their_inputs, strict=True)):
        if wants[i]:
            assert_same_numbers(a.grad, b.grad, f"gradient of argument {i} of {name}")


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def test_conv2d_by_keyword() -> None:
    both("conv2d", draw(2, 4, 6, 7), draw(6, 2, 3, 2), draw(6), stride=(2, 1), padding=1, dilation=(1, 2), groups=2)
    both("conv2d", draw(2, 4, 6, 7), draw(6, 4, 3, 3), padding="valid")
    both("conv2d", draw(2, 4, 6, 7), draw(6, 4, 2, 3), padding="same")


def test_conv2d_refuses_what_torch_refuses() -> None:
    for conv2d, x, w in (
        (functional.conv2d, Tensor(draw(1, 1, 4, 4)), Tensor(draw(1, 1, 3, 3))),
        (theirs.conv2d, torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)),
    ):
        with pytest.raises(RuntimeError, match="padding='same'"):
            conv2d(x, w, padding="same", stride=2)
        with pytest.raises(RuntimeError, match="full"):
            conv2d(x, w, padding="full")


def test_unbatched_images() -> None:
    both("conv2d", draw(2, 6, 5), draw(3, 2, 2, 3), padding="same")
    both("max_pool2d", draw(2, 6, 5), kernel_size=2)
    both("avg_pool2d", draw(2, 6, 5), kernel_size=2)


def test_linear_relu_flatten() -> None:
    both("linear", draw(3, 4), draw(5, 4), draw(5))
    both("relu", draw(3, 4))
    both("flatten", draw(3, 4, 2), start_dim=1)


def test_pools_by_keyword() -> None:
    both("max_pool2d", draw(2, 3, 7, 8), kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True)
    both("max_pool2d", draw(2, 3, 7, 8), kernel_size=2)
    both("avg_pool2d", draw(2, 3, 7, 8), kernel_size=3, stride=2, padding=1, count_include_pad=False)


def test_batch_norm_without_running_statistics() -> None:
    x, weight, bias = draw(3, 4, 2, 2), draw(4), draw(4)
    ours, result = Tensor(x), torch.from_numpy(x)
    y = functional.batch_norm(ours, None, None, Tensor(weight), Tensor(bias), training=True)
    expected = theirs.batch_norm(result, None, None, torch.from_numpy(weight), torch.from_numpy(bias), training=True)
    assert_same_numbers(y, expected, "batch_norm")


@given(dim=st.sampled_from([0, 1, 2, -1]))
def test_softmaxes(dim: int) -> None:
    x = draw(2, 3, 4) * 300  # exp overflows beyond 710: the shift by the maximum is needed
    both("log_softmax", x, dim=dim)
    both("softmax", x, dim=dim)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_loss(reduction: str) -> None:
    log_p, target = draw(5, 3), np.array([0, 2, 2, 1, 0])
    both("nll_loss", log_p, target, reduction=reduction)
    both("nll_loss", log_p, target, reduction=reduction, ignore_index=2)


def test_unknown_reductions_are_refused() -> None:
    for loss in (functional.nll_loss, functional.cross_entropy):
        with pytest.raises(ValueError, match="'median'"):
            loss(Tensor(draw(5, 3)), Tensor(np.zeros(5, np.int64)), reduction="median")
    with pytest.raises(ValueError, match="median"):
        theirs.nll_loss(torch.ones(5, 3), torch.zeros(5, dtype=torch.int64), reduction="median")


def test_nll_loss_with_weights_is_a_weighted_mean() -> None:
    log_p, target, weight = draw(5, 3), np.array([0, 2, 2, 1, 0]), np.array([1.0, 2.0, 0.5])
    ours = functional.nll_loss(Tensor(log_p), Tensor(target), Tensor(weight))
    expected = theirs.nll_loss(torch.from_numpy(log_p), torch.from_numpy(target), torch.from_numpy(weight))
    assert_same_numbers(ours, expected, "nll_loss")


def test_cross_entropy_is_nll_of_log_softmax() -> None:
    x, target = draw(5, 3), Tensor(np.array([0, 2, 2, 1, 0]))
    direct = functional.cross_entropy(Tensor(x), target)
    composed = functional.nll_loss(functional.log_softmax(Tensor(x), dim=1), target)
    np.testing.assert_allclose(direct.item(), composed.item(), rtol=1e-14)  # float64, three terms
