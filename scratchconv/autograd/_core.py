"""What a tensor holds, and how an operation on tensors is recorded.

``Tensor`` (tensor.py) adds the methods; all of them that a gradient can flow through end in ``record``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from scratchconv.autograd import modes
from scratchconv.autograd.engine import Hook, Node, Version
from scratchconv.ops._op import Array, Op

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
    _base: TensorCore | None  # of a view: the tensor whose memory it shows
    _base_node: Node | None  # of a view: the node that had produced the base when the view was made

    # Tensor fills these in with record and record_view.
    _apply: Callable[..., Tensor]
    _apply_view: Callable[..., Tensor]

    def _receive(self, gradient: Array, shared: bool) -> None:
        raise NotImplementedError


T = TypeVar("T", bound=TensorCore)


def record(make: Callable[[Array], T], op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> T:
    """Run ``op`` on the arrays of ``inputs`` (tensors, arrays, None) and record it if an input wants a gradient."""
    arrays = [x.data if isinstance(x, TensorCore) else x for x in inputs]
    y, saved = op.forward(*arrays, **params)
    result = make(y)
    if modes.is_grad_enabled():
        attach(result, op, saved, inputs)
    return result


def attach(result: TensorCore, op: Op, saved: Any, inputs: Sequence[Any]) -> None:
    """Make ``result`` the output of a new node, unless no input wants a gradient."""
    edges = [edge_of(x) for x in inputs]
    if result.data.dtype.kind != "f" or not any(edge is not None for edge in edges):
        return
    node = Node(op, saved, edges, result.data.shape)
    tensors = [x for x in inputs if isinstance(x, TensorCore)]
    node.seen = [(x._version, x._version.count) for x in (*tensors, result)]
    result._node = node
    result._requires_grad = True


def edge_of(x: Any) -> Node | TensorCore | None:
    """Where the gradient of input ``x`` goes: the node that produced it, ``x`` itself if a leaf, or nowhere."""
    if not isinstance(x, TensorCore):
        return None
    if x._base is not None and x._base._node is not x._base_node:
        raise RuntimeError(
            f"this tensor of shape {x.data.shape} is a view of one that was changed in place by a recorded operation "
            "since; make the view again, or use the out-of-place form of that operation"
        )
    if not x._requires_grad:
        return None
    return x._node or x


def record_view(make: Callable[[Array, Version], T], op: Op, x: T, params: dict[str, Any]) -> T:
    """Like ``record`` for an operation that may return a view of its input, which then shares the version counter."""
    y, saved = op.forward(x.data, **params)
    base = x._base or x
    shares = y.base is not None and (y.base is x.data or y.base is x.data.base)
    result = make(y, x._version if shares else Version())
    if shares:
        result._base = base
        result._base_node = base._node
    if modes.is_grad_enabled():
        attach(result, op, saved, (x,))
    return result
