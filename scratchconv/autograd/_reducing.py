"""Tensor methods that reduce axes: sums, means, variances, maxima."""

from scratchconv.autograd._core import TensorCore


class Reducing(TensorCore):
    __slots__ = ()
