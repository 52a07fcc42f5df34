"""The recorded graph and the backward pass over it.

Every recorded operation is a ``Node``; its edges lead to what produced its inputs: another node, or a leaf tensor.
The backward pass visits a node once all of its consumers have delivered their gradients (it counts them first), so
each node runs exactly once, and it uses lists instead of recursion, so depth is bounded by memory only.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.lib.array_utils import byte_bounds

from scratchconv.ops._memory import memory_of
from scratchconv.ops._op import Array, Op, needed, saved_arrays
from scratchconv.ops.elementwise import ADD
from scratchconv.ops.inplace import ADD_IN_PLACE

Hook = Callable[[Array], Array]


class Leaf(Protocol):
    """What the backward pass asks of a tensor at the end of an edge."""

    def _receive(self, gradient: Array, shared: bool) -> None:
        """Add ``gradient`` to ``.grad``; ``shared`` says that others may hold the same memory."""


class Version:
    """Counts the in-place changes of one piece of memory; all views of it share one counter."""

    __slots__ = ("_latest", "count", "extents")

    def __init__(self) -> None:
        self.count = 0
        self._latest: weakref.ref[Array] | None = None  # whose extent was added last
        self.extents: frozenset[tuple[int, int]] = frozenset()

    def bump(self, changed: Array) -> None:
        """Note an in-place change of ``changed``, and which addresses its memory occupies."""
        self.count += 1
        root = changed
        while isinstance(root.base, np.ndarray):
            root = root.base
        if self._latest is None or self._latest() is not root:
            self.extents |= {byte_bounds(root)}
            self._latest = weakref.ref(root)

    def covers(self, array: Array) -> bool:
        """Whether ``array`` lies in memory that was changed."""
        low, high = byte_bounds(array)
        return any(low < end and start < high for start, end in self.extents)


class Node:
    """One recorded operation: how to turn the gradient of its output into those of its inputs."""

    __slots__ = ("_hooks", "edges", "freed", "needs", "op", "retainer", "saved", "seen", "shape")

    def __init__(
        self,
        op: Op,
        saved: Any,
        edges: Sequence[Node | Leaf | None],
        seen: Sequence[tuple[Version, int]],
        shape: tuple[int, ...],
    ) -> None:
        self.op = op
        self.edges = edges  # where the gradient of each input goes
        self.needs = tuple([edge is not None for edge in edges])
        self.saved = needed(op, saved, self.needs)
        self.seen = seen  # the versions of all memory that saved may show, as they were then
        self.shape = shape  # of the output
        self.freed = False
        self._hooks: dict[int, Hook] | None = None
        self.retainer: weakref.ref[Any] | None = None  # a tensor that wants to keep the gradient of the output

    @property
    def name(self) -> str:
        """The operation's name in PyTorch's form, such as ``AddBackward``."""
        name = str(getattr(self.op, "name", None) or getattr(self.op, "__name__", type(self.op).__name__))
        return "".join(part.capitalize() for part in name.rpartition(".")[2].split("_")) + "Backward"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def backward(self, dy: Array) -> Sequence[Array | None]:
        """Gradients of the inputs, None where no one asked.

        Raises
        ------
        RuntimeError
            If the graph was freed, or if memory that this node saved has been changed in place since.
        """
        if self.freed:
            raise RuntimeError(
                f"backward through {self.name} (output shape {self.shape}) a second time: its saved arrays were freed "
                "by the first backward; pass retain_graph=True to the first call to keep them"
            )
        for version, count in self.seen:
            if version.count != count and any(version.covers(array) for array in saved_arrays(self.saved)):
                raise RuntimeError(
                    f"{self.name} (output shape {self.shape}) needs an array that was changed in place after it was "
                    f"saved: it is at version {version.count}, version {count} was saved; "
                    "use the out-of-place form of the later operation"
                )
        gradients: Sequence[Array | None] = self.op.backward(self.saved, dy, self.needs)
        return gradients

    def free(self) -> None:
        """Drop saved arrays; a node that saved none can run again, as in PyTorch."""
        if next(iter(saved_arrays(self.saved)), None) is not None:
            self.saved = None
            self.freed = True


def count_consumers(root: Node) -> dict[int, int]:
    """For every node and leaf reachable from ``root``: how many edges lead to it (keyed by id)."""
    counts: dict[int, int] = {}
    stack: list[Node] = [root]
    while stack:
        for edge in stack.pop().edges:
            if edge is None:
                continue
            key = id(edge)
            if key in counts:
                counts[key] += 1
            else:
                counts[key] = 1
                if isinstance(edge, Node):
                    stack.append(edge)
    return counts


class _Sums:
    """Gradients that have arrived so far, summed per receiver.

    A gradient array may be known to several receivers (the two inputs of an addition get the same one), so the first
    to arrive is kept as it is; a second makes a new sum, which belongs to us and takes further ones in place.
    """

    __slots__ = ("gradients", "owned")

    def __init__(self) -> None:
        self.gradients: dict[int, Array] = {}
        self.owned: set[int] = set()

    def add(self, key: int, gradient: Array) -> None:
        """Add one more gradient for the receiver ``key``."""
        present = self.gradients.get(key)
        if present is None:
            self.gradients[key] = gradient
        elif key in self.owned:
            ADD_IN_PLACE.forward(present, gradient)
        else:
            self.gradients[key], _ = ADD.forward(present, gradient)
            self.owned.add(key)

    def take(self, key: int) -> tuple[Array | None, bool]:
        """Remove and return the sum for ``key``, and whether it belongs to the engine alone."""
        owned = key in self.owned
        self.owned.discard(key)
        return self.gradients.pop(key, None), owned


def backward(root: Node, gradient: Array, retain_graph: bool) -> None:
    """Run the backward pass from ``root``, whose output has the gradient ``gradient``, into the leaves' ``.grad``."""
    counts = count_consumers(root)
    sums = _Sums()
    sums.add(id(root), gradient)
    ready: list[Node] = [root]
    while ready:
        node = ready.pop()
        dy, _ = sums.take(id(node))
        gradients: Sequence[Array | None] = (None,) * len(node.edges)
        holders: Counter[int] | None = None
        if dy is not None:
            dy = _announce(node, dy)
            gradients = node.backward(dy)
        fresh = getattr(node.op, "fresh", False)
        for edge, dx in zip(node.edges, gradients, strict=True):
            if edge is None:
                continue
            key = id(edge)
            if dx is not None:
                sums.add(key, dx)
            counts[key] -= 1
            if counts[key]:
                continue
            if isinstance(edge, Node):
                ready.append(edge)
            else:
                total, owned = sums.take(key)
                if total is None:
                    continue
                ours = owned or (fresh and total is dx)
                if not ours and holders is None:
                    holders = _holders(node, dy, gradients)
                edge._receive(total, holders is not None and not ours and _is_shared(total, holders))
        if not retain_graph:
            node.free()


def _announce(node: Node, dy: Array) -> Array:
    """Run the hooks of the node's output and keep its gradient if asked to."""
    if node._hooks:
        for hook in list(node._hooks.values()):
            dy = hook(dy)
    tensor = node.retainer() if node.retainer else None
    if tensor is not None:
        tensor._receive(dy, True)
    return dy


def _holders(node: Node, dy: Array | None, gradients: Sequence[Array | None]) -> Counter[int]:
    """Count, for each piece of memory, the arrays that this node received, sent or saved and that show it."""
    return Counter(id(memory_of(x)) for x in (dy, *gradients, *saved_arrays(node.saved)) if x is not None)


def _is_shared(gradient: Array, holders: Counter[int]) -> bool:
    """Whether the memory of ``gradient`` is also known elsewhere, so that it must be copied before it is changed."""
    return holders[id(memory_of(gradient))] > 1 or not gradient.flags.writeable  # one is the gradient itself
