"""What a tensor holds, and how operations on tensors are recorded.

``Tensor`` (tensor.py) adds the methods; all of them that a gradient can flow through end in ``record``, ``record_view``
or ``record_in_place``, the only places where the graph grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scratchconv.autograd import modes
from scratchconv.autograd.engine import Hook, Node, Version
from scratchconv.ops._op import Array, Op
from scratchconv.ops.strided import AS_STRIDED, ThroughView, Window

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


class TensorCore:
    """An array with a place in the graph: the state behind ``Tensor``."""

    __slots__ = ("__weakref__", "_base", "_base_node", "_hooks", "_node", "_requires_grad", "_version", "data", "grad")

    data: Array
    grad: Tensor | None
    _node: Node | None  # what produced this tensor; None for a leaf
    _requires_grad: bool
    _version: Version
    _hooks: dict[int, Hook] | None  # of a leaf; those of other tensors live in their node
    _base: TensorCore | None  # of a view: the tensor whose memory it shows (itself no view)
    _base_node: Node | None  # of a view: the node that had produced the base when the view was made

    # Tensor fills these in with the functions below.
    _apply: Callable[..., Tensor]
    _apply_view: Callable[..., Tensor]
    _wrap: Callable[[Array], Tensor]

    def _receive(self, gradient: Array, shared: bool) -> None:
        raise NotImplementedError

    def _refresh(self) -> None:
        """Give a view its place in the graph anew, if its base was changed in place by a recorded operation."""
        base = self._base
        if base is not None and base._node is not self._base_node:
            if not np.may_share_memory(base.data, self.data):  # base.data was replaced: no longer a view of it
                self._base = None
                return
            _, saved = AS_STRIDED.forward(base.data, view=self.data)
            self._base_node = base._node
            _attach(self, AS_STRIDED, saved, [edge_of(base)], (base,))


T = TypeVar("T", bound=TensorCore)


def record(make: Callable[[Array], T], op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> T:
    """Run ``op`` on the arrays of ``inputs`` (tensors, arrays, None) and record it if an input wants a gradient."""
    if (tracer := modes.tracer()) is not None:
        traced: T = tracer.record(make, op, inputs, params)
        return traced
    arrays = [x.data if isinstance(x, TensorCore) else x for x in inputs]
    y, saved = op.forward(*arrays, **params)
    result = make(y)
    if modes.is_grad_enabled():
        _record(result, op, saved, inputs)
    return result


def record_view(make: Callable[[Array, Version], T], op: Op, x: T, params: dict[str, Any]) -> T:
    """Like ``record`` for an operation that may return a view of its input, which then shares the version counter."""
    if (tracer := modes.tracer()) is not None:
        traced: T = tracer.record_view(make, op, x, params)
        return traced
    y, saved = op.forward(x.data, **params)
    shares = np.may_share_memory(y, x.data)
    result = make(y, x._version if shares else Version())
    if modes.is_grad_enabled():
        _record(result, op, saved, (x,))
    if shares:
        result._base = x if x._base is None else x._base
        result._base_node = result._base._node
    return result


def record_in_place(x: TensorCore, op: Op, others: Sequence[Any], params: dict[str, Any]) -> None:
    """Run ``op``, whose forward changes and returns its first array, and make ``x`` (or its base) its output.

    Raises
    ------
    RuntimeError
        If ``x`` is, or shows, a leaf that requires a gradient; if it has several elements in one place; if its array
        is read-only.
    """
    if (tracer := modes.tracer()) is not None:
        tracer.record_in_place(x, op, others, params)
        return
    if x.data.size and any(stride == 0 and size > 1 for stride, size in zip(x.data.strides, x.data.shape, strict=True)):
        raise RuntimeError(f"an expanded tensor (shape {x.data.shape}) cannot be changed in place; clone it first")
    if not x.data.flags.writeable:
        raise RuntimeError(f"a tensor (shape {x.data.shape}) on a read-only array cannot be changed; clone it first")
    inputs = (x, *others)
    recording = modes.is_grad_enabled()
    edges = [edge_of(each) if recording else None for each in inputs]
    owner = x if x._base is None else x._base
    if recording and (edges[0] is x or edge_of(owner) is owner):
        raise RuntimeError(
            f"a leaf that requires grad (shape {owner.data.shape}), or a view of one, cannot be changed in place; "
            "do it under no_grad(), or use the out-of-place operation"
        )
    arrays = [each.data if isinstance(each, TensorCore) else each for each in inputs]
    _, saved = op.forward(*arrays, **params)
    x._version.bump(x.data)
    if all(edge is None for edge in edges):
        return
    if x._base is not None:
        saved = (Window.between(owner.data, x.data), saved)
        op, edges[0] = ThroughView(op), edge_of(owner)
    before = owner._node
    _attach(owner, op, saved, edges, inputs)
    if before is not None and owner._node is not None:
        owner._node.retainer, before.retainer = before.retainer, None
    x._refresh()


def edge_of(x: Any) -> Node | TensorCore | None:
    """Where the gradient of input ``x`` goes: the node that produced it, ``x`` itself if a leaf, or nowhere."""
    if not isinstance(x, TensorCore):
        return None
    if x._base is not None:
        x._refresh()
    return (x._node or x) if x._requires_grad else None


def _record(result: TensorCore, op: Op, saved: Any, inputs: Sequence[Any]) -> None:
    """Make ``result`` the output of a new node, unless it cannot have a gradient or no input wants one."""
    edges = [edge_of(x) for x in inputs]
    for edge in edges:
        if edge is not None:
            if result.data.dtype.kind == "f":
                _attach(result, op, saved, edges, inputs)
            return


def _attach(result: TensorCore, op: Op, saved: Any, edges: Sequence[Any], inputs: Sequence[Any]) -> None:
    """Make ``result`` the output of a new node, noting the versions of all memory that ``saved`` may show."""
    seen = [(x._version, x._version.count) for x in inputs if isinstance(x, TensorCore)]
    version = result._version
    seen.append((version, version.count))
    result._node = Node(op, saved, edges, seen, result.data.shape)
    result._requires_grad = True
