"""Random and constant initial values, written into a tensor's own memory.

Names, arguments and distributions are PyTorch's. Numbers come from the generator that ``scratchconv.manual_seed``
seeds, and are dealt out in the tensor's logical order, so they do not depend on its memory layout.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor, random
from scratchconv.nn._parameter import overwrite

__all__ = [
    "calculate_gain",
    "constant_",
    "fans",
    "kaiming_normal_",
    "kaiming_uniform_",
    "linear_bias_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out): how many inputs one output sees, and how many outputs one input reaches.

    For (F, C, KH, KW) these are C·KH·KW and F·KH·KW. Raises ValueError for fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ValueError(f"fan_in and fan_out need a tensor with at least two axes, got shape {tensor.shape}")
    outputs, inputs, *window = tensor.shape
    taps = math.prod(window)
    return inputs * taps, outputs * taps


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps the variance through ``nonlinearity``; ``param`` is leaky_relu's negative slope.

    Raises ValueError for an unknown name.
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4.0
    raise ValueError(f"no gain is known for the nonlinearity {nonlinearity!r}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill with draws from U(a, b)."""
    return _fill(tensor, random.generator().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with draws from N(mean, std²)."""
    return _fill(tensor, random.generator().normal(mean, std, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _fill(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _fill(tensor, 0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill from U(−b, b), b = gain·√(6 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 16."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill from N(0, σ²), σ = gain·√(2 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))))


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fill from U(−b, b), b = gain·√(3 / fan). He et al., arXiv:1502.01852, section 2.2, with the same variance."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fill from N(0, σ²), σ = gain / √fan. He et al., arXiv:1502.01852, equation 10."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def linear_bias_(bias: Tensor, weight: Tensor) -> Tensor:
    """Fill the bias that goes with ``weight`` from U(−b, b), b = 1/√fan_in: the default of Conv2d and Linear."""
    fan_in, _ = fans(weight)
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform_(bias, -bound, bound)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """Return gain / √fan, 0 for a tensor without inputs."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _fill(tensor: Tensor, values: npt.NDArray[np.float64] | float) -> Tensor:
    """Overwrite the contents and return the tensor."""
    overwrite(tensor, values)
    return tensor
