"""The tensor: a NumPy array that remembers how it was computed."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from scratchconv.autograd import engine
from scratchconv.autograd._arithmetic import Arithmetic
from scratchconv.autograd._changing import Changing
from scratchconv.autograd._converting import Converting
from scratchconv.autograd._core import TensorCore, record, record_view
from scratchconv.autograd._format import describe
from scratchconv.autograd._indexing import Indexing
from scratchconv.autograd._reducing import Reducing
from scratchconv.autograd._shaping import Shaping
from scratchconv.autograd.engine import Hook, Node, Version
from scratchconv.ops._memory import empty_like, lie_alike
from scratchconv.ops._op import Array, Op

_keys = itertools.count()


class Tensor(Arithmetic, Reducing, Shaping, Indexing, Changing, Converting):
    """A NumPy array with gradients.

    ``Tensor(array)`` wraps the array without copying it; for numbers and lists there is ``scratchconv.tensor``.
    ``data`` is that array: its shape is the logical one, and 4-D activations usually lie channels-last in memory.
    It may be replaced; changes made directly to it are not tracked.
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

    def __repr__(self) -> str:
        if self._node is not None:
            return describe(self.data, f"grad_fn={self._node!r}")
        return describe(self.data, "requires_grad=True" if self._requires_grad else "")

    def __getstate__(self) -> tuple[Array, bool, Tensor | None, dict[str, Any]]:
        if self._node is not None:
            raise RuntimeError("only a leaf can be copied deeply or pickled; detach() this tensor first")
        return self.data, self._requires_grad, self.grad, dict(getattr(self, "__dict__", {}))

    def __setstate__(self, state: tuple[Array, bool, Tensor | None, dict[str, Any]]) -> None:
        data, self_requires_grad, grad, attributes = state
        self._set_up(data, Version())
        self._requires_grad, self.grad = self_requires_grad, grad
        for name, value in attributes.items():
            setattr(self, name, value)

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

    # Its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor."""
        self._refresh()
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
        self._refresh()
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded operation."""
        return self.grad_fn is None

    def detach(self) -> Tensor:
        """Return the same memory without a history; in-place changes are seen by both."""
        return wrap(self.data, self._version)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call ``hook`` with the gradient of this tensor in each backward pass; what it returns replaces the gradient.

        The hook must not change its argument, whose memory may be in use elsewhere.

        Raises
        ------
        RuntimeError
            If the tensor requires no gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("a hook needs a tensor that requires grad")

        def on_array(gradient: Array) -> Array:
            changed = hook(wrap(gradient))
            return gradient if changed is None else changed.data

        owner: TensorCore | Node = self if self._node is None else self._node
        hooks = owner._hooks = owner._hooks or {}
        key = next(_keys)
        hooks[key] = on_array
        return Handle(hooks, key)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf in ``grad``, too."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad needs a tensor that requires grad")
        if self._node is not None:
            self._node.retainer = weakref.ref(self)

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
            If the tensor requires no gradient, if ``gradient`` is missing or of the wrong shape, if the graph was
            freed, or if a saved array was overwritten.
        """
        if not self.requires_grad:
            raise RuntimeError(f"backward on a tensor (shape {self.shape}) that requires no grad and has no grad_fn")
        start = self._start(gradient)
        if self._node is None:
            self._receive(start, True)
        else:
            engine.backward(self._node, start, retain_graph)

    def _start(self, gradient: Tensor | Array | None) -> Array:
        """Return the array that the backward pass starts from."""
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(f"backward on shape {self.shape} needs a gradient; only a single element implies 1")
            return np.ones(self.data.shape, self.data.dtype)
        given = gradient.data if isinstance(gradient, TensorCore) else np.asarray(gradient)
        if given.shape != self.data.shape:
            raise RuntimeError(f"the gradient has shape {given.shape}, the tensor has shape {self.data.shape}")
        return given.astype(self.data.dtype, copy=False)

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
        if shared or gradient.dtype != self.data.dtype or not lie_alike(gradient, self.data):
            own = empty_like(self.data)
            own[...] = gradient
            gradient = own
        self.grad = wrap(gradient)

    # How operations make tensors

    @staticmethod
    def _wrap(data: Array) -> Tensor:
        return wrap(data)

    @staticmethod
    def _apply(op: Op, *inputs: Any, **params: Any) -> Tensor:
        return record(wrap, op, inputs, params)

    @staticmethod
    def _apply_view(op: Op, x: Tensor, **params: Any) -> Tensor:
        return record_view(wrap, op, x, params)


def wrap(data: Array, version: Version | None = None) -> Tensor:
    """Return a tensor around ``data``, with the version counter of those that share its memory."""
    tensor = Tensor.__new__(Tensor)
    tensor._set_up(data, version or Version())
    return tensor


class Handle:
    """Takes a hook off again."""

    def __init__(self, hooks: dict[int, Hook], key: int) -> None:
        self._hooks = hooks
        self._key = key

    def remove(self) -> None:
        """Remove the hook; doing so twice is harmless."""
        self._hooks.pop(self._key, None)


def apply(op: Op, *inputs: Any, **params: Any) -> Tensor:
    """Run an operation on tensors and record it: the bridge between ``scratchconv.ops`` and tensors.

    ``inputs`` may also be arrays or None (an absent bias); keyword parameters go to ``op.forward`` unchanged.
    """
    return record(wrap, op, inputs, params)
