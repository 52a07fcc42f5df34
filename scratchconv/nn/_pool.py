"""Pooling layers."""

from __future__ import annotations

from scratchconv.autograd import Tensor
from scratchconv.nn import functional
from scratchconv.nn._geometry import IntPair
from scratchconv.nn._module import Module


class MaxPool2d(Module):
    """The largest value of each window: y[n,c,i,j] = max_{u,v} x[n,c,i·s+u·d−p,j·s+v·d−p].

    Padding counts as −∞; the gradient goes to the first maximum of a window. Sizes are an int or a pair (height,
    width); ``stride`` defaults to ``kernel_size``; ``ceil_mode`` rounds the output size up, so that the last windows
    may reach over the edge. ``return_indices`` is there for PyTorch's argument order and must be False.
    """

    def __init__(
        self,
        kernel_size: IntPair,
        stride: IntPair | None = None,
        padding: IntPair = 0,
        dilation: IntPair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        if return_indices:
            raise NotImplementedError("MaxPool2d(return_indices=True) is not supported")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        """Return the geometry."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window: y[n,c,i,j] = Σ_{u,v} x[n,c,i·s+u−p,j·s+v−p] / divisor.

    The divisor is the window's size: with ``count_include_pad`` the padding counts too, else only pixels of x do;
    ``divisor_override`` replaces it. Sizes are an int or a pair (height, width); ``stride`` defaults to
    ``kernel_size``; ``ceil_mode`` rounds the output size up.
    """

    def __init__(
        self,
        kernel_size: IntPair,
        stride: IntPair | None = None,
        padding: IntPair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return functional.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Return the geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
