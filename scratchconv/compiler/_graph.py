"""What a traced call looks like: values, and the operations between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.ops._op import Op


@dataclass(eq=False)
class Value:
    """An array that exists during a call: an input, a leaf (parameter, buffer, constant), or a node's result."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    needs_grad: bool
    leaf: Tensor | None = None  # read anew in every call
    producer: Node | None = None
    consumers: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Node:
    """One operation: ``op.forward`` of the inputs (values; or arrays and None, the same in every call)."""

    op: Op
    inputs: list[Any]
    params: dict[str, Any]
    output: Value
    in_place: bool = False
    is_view: bool = False

    @property
    def needs(self) -> tuple[bool, ...]:
        """Which inputs want a gradient, if the output has one."""
        wanted = self.output.needs_grad
        return tuple(wanted and isinstance(value, Value) and value.needs_grad for value in self.inputs)


@dataclass(eq=False)
class Graph:
    """A traced call; ``nodes`` are in the order in which they ran."""

    inputs: list[Value]
    leaves: list[Value]
    nodes: list[Node]
    output: Value
