"""What the tests of both poolings need: PyTorch's answer in the kernels' layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.strategies import PoolGeometry

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


def pairs(params: dict[str, Any]) -> tuple[Any, ...]:
    """kernel, stride, padding and dilation as the kernels take them."""
    return params["kernel_size"], params["stride"], params.get("padding", (0, 0)), params.get("dilation", (1, 1))


def every_window_has_a_tap(geometry: PoolGeometry) -> bool:
    """Whether PyTorch may be asked: it writes the gradient of a window without taps to an address outside of dx."""
    _, *counts, _ = output_shape(torch.nn.functional.max_pool2d, geometry.x_shape, **geometry.params)
    return all(
        any(0 <= i * s - p + t * d < size for t in range(k))
        for size, count, k, s, p, d in zip(geometry.x_shape[2:], counts, *pairs(geometry.params), strict=True)
        for i in range(count)
    )
