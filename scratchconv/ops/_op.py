"""The interface that every operation offers to autograd."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Op(Protocol):
    """Anything with a ``forward`` and a ``backward``: a module of ``scratchconv.ops`` or an object inside one.

    ``forward(*arrays, **params)`` checks its arguments and returns ``(output, saved)``; ``saved`` holds whatever
    ``backward(saved, dy, needs)`` wants: it returns one gradient per array input, None where ``needs[i]`` is False.

    An operation may also have ``keep(saved, needs)``, which returns ``saved`` without the arrays that no needed
    gradient is made of: they then use no memory and may be changed in place. One with ``fresh = True`` promises that
    ``backward`` returns arrays of memory that nobody else holds, so that their receivers may keep them.
    """

    @property
    def forward(self) -> Any:
        """The forward function: arrays and keyword parameters to (output array, saved)."""

    @property
    def backward(self) -> Any:
        """The vector-Jacobian product: (saved, gradient of the output, needs) to gradients of the inputs."""


def is_floating(x: Array) -> bool:
    """Whether ``x`` can carry a gradient (float32 or float64)."""
    return x.dtype.kind == "f"


def needed(op: Op, saved: Any, needs: tuple[bool, ...]) -> Any:
    """Return what ``op`` keeps of ``saved``: everything, unless it has a ``keep``."""
    keep = getattr(op, "keep", None)
    return saved if keep is None else keep(saved, needs)


def hollow(x: Array) -> Array:
    """Return an array with the shape and dtype of ``x`` and no memory of its own, for ``keep``; it reads as zeros."""
    return np.ndarray(x.shape, x.dtype, bytes(x.itemsize), 0, (0,) * x.ndim)


def saved_arrays(saved: Any) -> list[Array]:
    """Return the arrays inside ``saved``, also those in nested tuples."""
    if isinstance(saved, np.ndarray):
        return [saved]
    arrays: list[Array] = []
    if isinstance(saved, (tuple, list)):
        for item in saved:
            if isinstance(item, np.ndarray):
                arrays.append(item)
            elif isinstance(item, (tuple, list)):
                arrays += saved_arrays(item)
    return arrays
