"""The tensor: a NumPy array that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchconv.autograd import engine
from scratchconv.autograd._core import TensorCore, record, record_view
from scratchconv.autograd._shaping import Shaping
from scratchconv.autograd.engine import Node, Version
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array, Op


class Tensor(Shaping):
    """A NumPy array with gradients.

    ``Tensor(array)`` wraps the array without copying it. ``data`` is that array: its shape is the logical one, and
    4-D activations usually lie channels-last in memory. Changes made directly to ``data`` are not tracked.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._set_up(data if type(data) is np.ndarray else np.asarray(data), Version())
        if requires_grad:
            self.requires_grad = True

    def _set_up(self, data: Array, version: Version) -> None:
        """Become a leaf that needs no gradient."""
        self.data = data
        self.grad = None
        self._node = None
        self._requires_grad = False
        self._version = version
        self._hooks = None
        self._base = None
        self._base_node = None

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return self.data.shape

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of axis ``dim``."""
        return self.data.shape if dim is None else self.data.shape[dim]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    def dim(self) -> int:
        """Return the number of axes."""
        return self.data.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype; ``scratchconv.float32`` and its siblings are such."""
        return self.data.dtype

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.data)

    # Its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self._node is not None and not wanted:
            raise RuntimeError("requires_grad can only be cleared on a leaf; use detach() for one without a history")
        if wanted and self.data.dtype.kind != "f":
            raise RuntimeError(f"only floating tensors can require gradients, this one is {self.data.dtype}")
        self._requires_grad = bool(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` in place."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that produced this tensor, None for a leaf."""
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded operation."""
        return self._node is None

    def detach(self) -> Tensor:
        """Return the same memory without a history; in-place changes are seen by both."""
        return wrap_view(self.data, self._version)

    def backward(self, gradient: Tensor | Array | None = None, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor with respect to every leaf behind it to the leaf's ``grad``.

        Parameters
        ----------
        gradient
            The gradient with respect to this tensor, of its shape; may be left out for a single element (then 1).
        retain_graph
            Keep saved arrays, so that ``backward`` can run again.

        Raises
        ------
        RuntimeError
            If the tensor needs no gradient, if ``gradient`` is missing or has the wrong shape, if the graph was freed,
            or if a saved array was overwritten.
        """
        if not self._requires_grad:
            raise RuntimeError(f"backward on a tensor of shape {self.shape} that requires no grad and has no grad_fn")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(f"backward on shape {self.shape} needs a gradient; only a single element implies 1")
            start = np.ones(self.data.shape, self.data.dtype)
        else:
            given = gradient.data if isinstance(gradient, TensorCore) else np.asarray(gradient)
            if given.shape != self.data.shape:
                raise RuntimeError(f"the gradient has shape {given.shape}, the tensor has shape {self.data.shape}")
            start = given.astype(self.data.dtype, copy=False)
        if self._node is None:
            self._receive(start, True)
        else:
            engine.backward(self._node, start, retain_graph)

    def _receive(self, gradient: Array, shared: bool) -> None:
        """Add to ``grad``, which has the memory order of ``data`` and memory of its own."""
        if self._node is None and self._hooks:
            for hook in list(self._hooks.values()):
                gradient = hook(gradient)
            shared = True
        if self.grad is not None:
            self.grad.data += gradient
            self.grad._version.bump(self.grad.data)
            return
        if shared or gradient.strides != self.data.strides or gradient.dtype != self.data.dtype:
            own = empty_like(self.data)
            own[...] = gradient
            gradient = own
        self.grad = Tensor(gradient)

    # Leaving the graph

    def numpy(self) -> Array:
        """Return the array itself, sharing memory.

        Raises
        ------
        RuntimeError
            If the tensor requires a gradient (changes would not be recorded): call ``detach()`` first.
        """
        if self._requires_grad:
            raise RuntimeError("numpy() on a tensor that requires grad; use tensor.detach().numpy()")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises
        ------
        RuntimeError
            If there is not exactly one element.
        """
        if self.data.size != 1:
            raise RuntimeError(f"item() needs exactly one element, the tensor has shape {self.data.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers, or one number for a 0-d tensor."""
        return self.data.tolist()

    # How operations make tensors

    @staticmethod
    def _apply(op: Op, *inputs: Any, **params: Any) -> Tensor:
        return record(wrap, op, inputs, params)

    @staticmethod
    def _apply_view(op: Op, x: Tensor, **params: Any) -> Tensor:
        return record_view(wrap_view, op, x, params)


def wrap_view(data: Array, version: Version) -> Tensor:
    """Return a tensor around ``data`` that shares a version counter."""
    tensor = Tensor.__new__(Tensor)
    tensor._set_up(data, version)
    return tensor


def wrap(data: Array) -> Tensor:
    """Return a tensor around a fresh array."""
    return wrap_view(data, Version())


apply: Callable[..., Tensor] = Tensor._apply
