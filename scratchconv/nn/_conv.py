"""The convolution layer."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.nn import functional, init
from scratchconv.nn._geometry import IntPair, Padding, padding_problem
from scratchconv.nn._module import Module
from scratchconv.nn._parameter import Parameter
from scratchconv.ops._checks import pair
from scratchconv.ops._layout import from_khwcf
from scratchconv.ops._memory import empty

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(Module):
    """2-D cross-correlation: y[n,f,i,j] = bias[f] + Σ_{c,u,v} x[n,c,i·s+u·d−p,j·s+v·d−p] · weight[f,c,u,v].

    Maps (N, in_channels, H, W) to (N, out_channels, OH, OW) with OH = ⌊(H + 2p − d·(KH−1) − 1)/s⌋ + 1, OW likewise.

    Parameters
    ----------
    in_channels, out_channels
        Channels of x and of y; both must be divisible by ``groups``.
    kernel_size, stride, dilation
        An int, or a pair (height, width).
    padding
        Zeros around x: an int, a pair, ``"valid"`` (none) or ``"same"`` (as many as keep H and W; stride 1 only, and
        where their number is odd the larger half goes below and to the right).
    groups
        Split the channels into so many independent convolutions; ``groups=in_channels`` is the depthwise one.
    bias
        Whether ``y`` has a learned offset per filter.
    padding_mode
        ``"zeros"`` only.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight : Parameter
        (out_channels, in_channels/groups, KH, KW), lying in memory as (KH, KW, in_channels/groups, out_channels), the
        order the kernels read. Drawn from U(−b, b), b = 1/√fan_in, as is the bias.
    bias : Parameter or None
        (out_channels,).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntPair,
        stride: IntPair = 1,
        padding: Padding = 0,
        dilation: IntPair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        _check_padding_mode(padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = pair(stride, "stride")
        self.padding = padding if isinstance(padding, str) else pair(padding, "padding")
        self.dilation = pair(dilation, "dilation")
        self.groups = groups
        if problem := padding_problem(self.padding, self.stride):
            raise ValueError(problem)
        memory = empty((*self.kernel_size, in_channels // groups, out_channels), dtype)
        self.weight = Parameter(from_khwcf(memory))
        self.register_parameter("bias", Parameter(empty((out_channels,), dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights from PyTorch's default distribution: Kaiming-uniform with a = √5."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            init.linear_bias_(self.bias, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the geometry, leaving out what has its default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"


def _check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    """Raise ValueError unless ``groups`` divides both channel counts."""
    if groups <= 0:
        raise ValueError(f"groups must be at least 1, got {groups}")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name} must be divisible by groups, got {name}={channels}, groups={groups}")


def _check_padding_mode(mode: str) -> None:
    """Raise unless ``mode`` is "zeros"."""
    if mode not in _PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, got {mode!r}")
    if mode != "zeros":
        raise NotImplementedError(f"padding_mode={mode!r} is not supported: pad the input first and use padding=0")
