"""scratchconv: convolution kernels you can read and trust, and the training engine around them.

Use it as ``import scratchconv as sc``; names and meanings are PyTorch's. Submodules load on first use.
"""

from __future__ import annotations

import importlib
import typing

from scratchconv.autograd import (
    Tensor,
    abs,
    arange,
    argmax,
    cat,
    empty,
    enable_grad,
    exp,
    eye,
    flatten,
    from_numpy,
    full,
    full_like,
    is_grad_enabled,
    linspace,
    log,
    manual_seed,
    matmul,
    max,
    maximum,
    mean,
    no_grad,
    ones,
    ones_like,
    rand,
    randint,
    randn,
    randperm,
    relu,
    sqrt,
    stack,
    sum,
    tensor,
    where,
    zeros,
    zeros_like,
)
from scratchconv.autograd.dtypes import bool, float32, float64, int64
from scratchconv.kernels._threads import get_num_threads, set_num_threads

if typing.TYPE_CHECKING:
    from scratchconv import autograd, backends, compiler, data, models, nn, optim, serialization, train
    from scratchconv.compiler import compile
    from scratchconv.serialization import load, save

__version__ = "0.1.0"

_LAZY_MODULES = ("autograd", "backends", "compiler", "data", "models", "nn", "optim", "serialization", "train")
_LAZY_NAMES = {
    "compile": "scratchconv.compiler",
    "load": "scratchconv.serialization",
    "save": "scratchconv.serialization",
}


def __getattr__(name: str) -> typing.Any:
    """Import a submodule, or a function that needs one, on first use."""
    if name in _LAZY_MODULES:
        return importlib.import_module(f"scratchconv.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(_LAZY_NAMES[name]), name)
    raise AttributeError(f"module 'scratchconv' has no attribute {name!r}")


__all__ = [
    "Tensor",
    "__version__",
    "abs",
    "arange",
    "argmax",
    "autograd",
    "backends",
    "bool",
    "cat",
    "compile",
    "compiler",
    "data",
    "empty",
    "enable_grad",
    "exp",
    "eye",
    "flatten",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "get_num_threads",
    "int64",
    "is_grad_enabled",
    "linspace",
    "load",
    "log",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "models",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "rand",
    "randint",
    "randn",
    "randperm",
    "relu",
    "save",
    "serialization",
    "set_num_threads",
    "sqrt",
    "stack",
    "sum",
    "tensor",
    "train",
    "where",
    "zeros",
    "zeros_like",
]
