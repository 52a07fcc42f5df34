"""Tensor methods that reduce axes: sums, means, variances, maxima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from scratchconv.autograd import modes
from scratchconv.autograd._converting import Converting
from scratchconv.ops import reduction
from scratchconv.ops.elementwise import SQRT
from scratchconv.ops.reduction import MAX, MEAN, SUM, VAR

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor

Dims = int | Sequence[int] | None


class Largest(NamedTuple):
    """What ``max(dim)`` returns: the values, and where along the axis they were found (the first if several)."""

    values: Tensor
    indices: Tensor


class Reducing(Converting):
    """Reductions over all elements or over the axes ``dim``, which ``keepdim`` leaves with size 1."""

    __slots__ = ()

    def sum(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Return sums; of integers and bools as int64."""
        return self._apply(SUM, self, dim=dim, keepdim=keepdim)

    def mean(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Return means of a floating tensor."""
        return self._apply(MEAN, self, dim=dim, keepdim=keepdim)

    def var(self, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
        """Return variances: squared deviations from the mean, summed and divided by their number − ``correction``."""
        return self._apply(VAR, self, dim=dim, correction=correction, keepdim=keepdim)

    def std(self, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
        """Return standard deviations, the square roots of ``var``."""
        return self._apply(SQRT, self.var(dim, correction=correction, keepdim=keepdim))

    @overload
    def max(self, dim: None = None, keepdim: bool = False) -> Tensor: ...

    @overload
    def max(self, dim: int, keepdim: bool = False) -> Largest: ...

    def max(self, dim: int | None = None, keepdim: bool = False) -> Tensor | Largest:
        """Return the largest element, or ``(values, indices)`` of the largest ones along axis ``dim``.

        Along an axis the first of several equal maxima gets the gradient; over all elements they share it.
        """
        values = self._apply(MAX, self, dim=dim, keepdim=keepdim)
        return values if dim is None else Largest(values, self.argmax(dim, keepdim))

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return where the largest element is (the first if several), in the flat tensor or along axis ``dim``."""
        found = reduction.argmax(self.data, dim, keepdim)
        tracer = modes.tracer()
        return self._wrap(found if tracer is None else tracer.unrecorded(self, found))

    def any(self) -> Tensor:
        """Return whether any element is not zero."""
        return self._wrap(np.asarray(self.data.any()))

    def all(self) -> Tensor:
        """Return whether no element is zero."""
        return self._wrap(np.asarray(self.data.all()))
