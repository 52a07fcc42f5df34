"""Comparing one of our layers with PyTorch's of the same name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scratchconv.autograd import Tensor
from scratchconv.nn import Module

Array = npt.NDArray[Any]

# Layers are compared in float64, where a sum of n terms, in whatever order, is off by about n·1e-16 of its magnitude.
# The tests here sum at most some hundred terms of order 1; a wrong argument or buffer shows at 1e-2 and above.
ATOL = 1e-11


def array_of(tensor: Any) -> Array:
    """The values of a tensor of either library, in row-major order."""
    return np.array(tensor.detach().numpy(), order="C")


def give_state(ours: Module, theirs: torch.nn.Module) -> None:
    """Load our state into PyTorch's layer, which insists on equal names and shapes."""
    theirs.load_state_dict({name: torch.from_numpy(array_of(value)) for name, value in ours.state_dict().items()})


def text_of(theirs: torch.nn.Module) -> str:
    """PyTorch's text of a layer; its later versions also show BatchNorm's bias, which follows ``affine`` here."""
    return re.sub(r"(affine=\w+), bias=\w+", r"\1", repr(theirs))


def assert_same_numbers(ours: Any, theirs: Any, what: str) -> None:
    assert ours.shape == tuple(theirs.shape), what
    np.testing.assert_allclose(array_of(ours), array_of(theirs), rtol=0, atol=ATOL, err_msg=what)


def assert_layer_equals(ours: Module, theirs: torch.nn.Module, x: Array) -> None:
    """From the same state: same text, state names, output, gradients, and buffers afterwards."""
    assert repr(ours) == text_of(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.double()
    theirs.double()
    give_state(ours, theirs)
    our_x, their_x = Tensor(x.copy(), requires_grad=True), torch.tensor(x, requires_grad=True)
    our_y, their_y = ours(our_x), theirs(their_x)
    assert_same_numbers(our_y, their_y, "output")
    dy = np.random.default_rng(1).standard_normal(our_y.shape)
    our_y.backward(Tensor(dy))
    their_y.backward(torch.from_numpy(dy))
    assert_same_numbers(our_x.grad, their_x.grad, "gradient of the input")
    pairs = zip(ours.named_parameters(), theirs.named_parameters(), strict=True)
    for (name, ours_of_name), (their_name, theirs_of_name) in pairs:
        assert name == their_name
        assert_same_numbers(ours_of_name.grad, theirs_of_name.grad, f"gradient of {name}")
    for (name, our_buffer), (_, their_buffer) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert_same_numbers(our_buffer, their_buffer, name)
