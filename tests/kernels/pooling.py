"""What the tests of both poolings need: PyTorch's answer in the kernels' layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]


def nhwc(x: torch.Tensor) -> Array:
    return np.ascontiguousarray(x.detach().permute(0, 2, 3, 1).numpy())


def by_torch(function: Callable[..., Any], x: Array, dy: Array | None, **params: Any) -> tuple[Array, Array]:
    """(y, dx) of (N, H, W, C) ``x``, computed by PyTorch in NCHW memory; ``dy`` None stands for ones."""
    leaf = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).requires_grad_()
    y = function(leaf, **params)
    y.backward(torch.ones_like(y) if dy is None else torch.from_numpy(dy).permute(0, 3, 1, 2))
    return nhwc(y), nhwc(leaf.grad)


def output_shape(function: Callable[..., Any], shape: tuple[int, ...], **params: Any) -> tuple[int, ...]:
    """Shape of the output of an (N, C, H, W) input, as (N, OH, OW, C)."""
    n, c, h, w = function(torch.zeros(shape), **params).shape
    return n, h, w, c


def poisoned(shape: tuple[int, ...], dtype: Any) -> Array:
    return np.full(shape, np.nan, dtype)
