"""Tensors, the graph that records what was done to them, and the backward pass through it."""

from scratchconv.autograd import dtypes, random
from scratchconv.autograd.create import (
    arange,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    randint,
    randn,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from scratchconv.autograd.functions import cat, stack
from scratchconv.autograd.modes import enable_grad, is_grad_enabled, no_grad
from scratchconv.autograd.random import manual_seed
from scratchconv.autograd.tensor import Tensor, apply

__all__ = [
    "Tensor",
    "apply",
    "arange",
    "cat",
    "dtypes",
    "empty",
    "enable_grad",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "is_grad_enabled",
    "linspace",
    "manual_seed",
    "no_grad",
    "ones",
    "ones_like",
    "rand",
    "randint",
    "randn",
    "random",
    "randperm",
    "stack",
    "tensor",
    "zeros",
    "zeros_like",
]
