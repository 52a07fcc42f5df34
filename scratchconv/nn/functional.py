"""Layers as functions of tensors, with PyTorch's names and argument orders.

Each one is a thin door to an operation of ``scratchconv.ops``, where arguments are checked and errors are raised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv.autograd import Tensor, apply
from scratchconv.nn._geometry import IntPair, Padding, padding_problem
from scratchconv.ops import avg_pool2d as _avg_pool2d
from scratchconv.ops import batch_norm as _batch_norm
from scratchconv.ops import conv2d as _conv2d
from scratchconv.ops import cross_entropy as _cross_entropy
from scratchconv.ops import linear as _linear
from scratchconv.ops import max_pool2d as _max_pool2d
from scratchconv.ops._checks import pair

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "cross_entropy",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool2d",
    "nll_loss",
    "relu",
    "softmax",
]


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntPair = 1,
    padding: Padding = 0,
    dilation: IntPair = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate (N, C, H, W) with (F, C/groups, KH, KW): see :class:`scratchconv.nn.Conv2d`."""
    if problem := padding_problem(padding, pair(stride, "stride")):
        raise RuntimeError(f"{problem}, input shape {input.shape}")
    if padding == "same":
        return _conv2d_same(input, weight, bias, pair(dilation, "dilation"), groups)
    zeros = 0 if padding == "valid" else padding
    return apply(_conv2d, input, weight, bias, stride=stride, padding=zeros, dilation=dilation, groups=groups)


def _conv2d_same(input: Tensor, weight: Tensor, bias: Tensor | None, dilation: tuple[int, int], groups: int) -> Tensor:
    """Convolve with as much padding as keeps H and W.

    d·(K−1) zeros go around an axis. Where that is odd, PyTorch puts the extra one behind: pad both ends by the larger
    half and drop the first output.
    """
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[-2:], strict=True)]
    halves = (-(-total[0] // 2), -(-total[1] // 2))
    y = apply(_conv2d, input, weight, bias, stride=(1, 1), padding=halves, dilation=dilation, groups=groups)
    skip = (total[0] % 2, total[1] % 2)
    return y[..., skip[0] :, skip[1] :] if any(skip) else y


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input · weightᵀ + bias: (…, K) with (M, K) gives (…, M)."""
    return apply(_linear, input, weight, bias)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return max(input, 0); ``inplace`` writes it over the input's memory, and returns the input."""
    return input.relu_() if inplace else input.relu()


def max_pool2d(
    input: Tensor,
    kernel_size: IntPair,
    stride: IntPair | None = None,
    padding: IntPair = 0,
    dilation: IntPair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window: see :class:`scratchconv.nn.MaxPool2d`."""
    return apply(
        _max_pool2d,
        input,
        kernel_size=kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: IntPair,
    stride: IntPair | None = None,
    padding: IntPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window: see :class:`scratchconv.nn.AvgPool2d`."""
    return apply(
        _avg_pool2d,
        input,
        kernel_size=kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel, updating running statistics in training: see :class:`scratchconv.nn.BatchNorm2d`."""
    return apply(
        _batch_norm,
        input,
        weight,
        bias,
        running_mean=None if running_mean is None else running_mean.data,
        running_var=None if running_var is None else running_var.data,
        training=training,
        momentum=momentum,
        eps=eps,
    )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return −log softmax(input)[n, target[n]], reduced over n: see :class:`scratchconv.nn.CrossEntropyLoss`."""
    return apply(
        _cross_entropy,
        input,
        target=_array(target),
        weight=None if weight is None else _array(weight),
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _array(x: Any) -> Any:
    """Return the array of a tensor that takes no gradient."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """Return input − log Σ exp(input) along ``dim``, without overflow."""
    return apply(_cross_entropy.LOG_SOFTMAX, input, dim=dim)


def softmax(input: Tensor, dim: int) -> Tensor:
    """Return exp(input) / Σ exp(input) along ``dim``, without overflow."""
    return apply(_cross_entropy.SOFTMAX, input, dim=dim)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return −input[n, target[n]], reduced over n; the input holds log probabilities (N, C).

    ``weight`` (C,) is a factor per class, and the mean is then a weighted one. Raises ValueError for another
    reduction than "mean", "sum" and "none".
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    labels = _array(target)
    counted = labels != ignore_index
    safe = np.where(counted, labels, 0)
    share = (np.ones(input.shape[1], input.dtype) if weight is None else _array(weight))[safe] * counted
    losses = -input[np.arange(len(labels)), safe] * Tensor(share.astype(input.dtype))
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / float(share.sum()) if reduction == "mean" else total


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from ``start_dim`` to ``end_dim`` into one."""
    return input.flatten(start_dim, end_dim)
