"""Tensors, the graph that records what was done to them, and the backward pass through it.

To read: engine.py (the graph and the backward pass over it), _core.py (how the graph grows), tensor.py (the class; its
methods come from the modules named after what they do), gradcheck.py (how gradients are checked).
"""

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
from scratchconv.autograd.functions import (
    abs,
    argmax,
    cat,
    exp,
    flatten,
    log,
    matmul,
    max,
    maximum,
    mean,
    relu,
    sqrt,
    stack,
    sum,
    where,
)
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.autograd.modes import enable_grad, is_grad_enabled, no_grad
from scratchconv.autograd.random import manual_seed
from scratchconv.autograd.tensor import Tensor, apply

__all__ = [
    "Tensor",
    "abs",
    "apply",
    "arange",
    "argmax",
    "cat",
    "dtypes",
    "empty",
    "enable_grad",
    "exp",
    "eye",
    "flatten",
    "from_numpy",
    "full",
    "full_like",
    "gradcheck",
    "is_grad_enabled",
    "linspace",
    "log",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "no_grad",
    "ones",
    "ones_like",
    "rand",
    "randint",
    "randn",
    "random",
    "randperm",
    "relu",
    "sqrt",
    "stack",
    "sum",
    "tensor",
    "where",
    "zeros",
    "zeros_like",
]
