"""The fully connected layer."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.nn import functional, init
from scratchconv.nn._module import Module
from scratchconv.nn._parameter import Parameter
from scratchconv.ops._memory import empty


class Linear(Module):
    """y = x · weightᵀ + bias, on the last axis: (…, in_features) to (…, out_features).

    Attributes
    ----------
    weight : Parameter
        (out_features, in_features), drawn from U(−b, b), b = 1/√in_features, as is the bias.
    bias : Parameter or None
        (out_features,); None with ``bias=False``.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: npt.DTypeLike = np.float32
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), dtype))
        self.register_parameter("bias", Parameter(empty((out_features,), dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights from PyTorch's default distribution: Kaiming-uniform with a = √5."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            init.linear_bias_(self.bias, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis of x."""
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
