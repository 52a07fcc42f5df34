"""What a plan does where nothing is fused: ordinary operations, as in eager mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scratchconv import nn
from scratchconv.compiler._graph import Node, Value
from scratchconv.compiler._run import Gradients, Run
from scratchconv.kernels import _tape
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array, needed

if TYPE_CHECKING:
    from scratchconv.compiler._steps import Chain


class PlainStep:
    """An operation that runs as it does in eager mode."""

    def __init__(self, node: Node, layer: nn.BatchNorm2d | None, sources: dict[Value, Chain]) -> None:
        self.node, self.layer, self.sources = node, layer, sources
        self.in_training = layer is not None and layer.training  # a mode of its own plan: see _signature

    def forward(self, run: Run) -> None:
        """Run the operation."""
        for value in self.node.inputs:
            if isinstance(value, Value) and value in self.sources:
                self.sources[value].array(run)  # is written now, if no one else needed it
        run.do(self._compute, run)

    def _compute(self, run: Run) -> None:
        node = self.node
        arrays = [self._array(run, x) if isinstance(x, Value) else x for x in node.inputs]
        if node.in_place:
            arrays[0] = arrays[0].copy(order="K")
        params = node.params if self.layer is None else self._norm_params(self.layer)
        y, saved = node.op.forward(*arrays, **params)
        run.passing[node.output] = y
        if run.recording and node.output.needs_grad:
            run.saved[self] = needed(node.op, saved, node.needs)

    def backward(self, gradients: Gradients) -> None:
        """Send gradients to the inputs."""
        node, run = self.node, gradients.run
        dy = gradients.of(node.output) if node.output.needs_grad else None
        sent: Any = [None] * len(node.inputs)
        if dy is not None:
            with _tape.once():
                found = node.op.backward(run.saved[self], dy, node.needs)
            sent = [None if gradient is None else empty_like(gradient) for gradient in found]
            run.do(self._differentiate, run, dy, sent)
        for value, gradient in zip(node.inputs, sent, strict=False):
            if isinstance(value, Value):
                gradients.add(value, gradient)

    def _differentiate(self, run: Run, dy: Array, sent: list[Array | None]) -> None:
        """Copy the gradients to where those who read them look for them."""
        for target, gradient in zip(sent, self.node.op.backward(run.saved[self], dy, self.node.needs), strict=True):
            if target is not None:
                np.copyto(target, gradient)

    def _array(self, run: Run, value: Value) -> Array:
        source = self.sources.get(value)
        return run.array(value) if source is None else source.array(run)

    def _norm_params(self, layer: nn.BatchNorm2d) -> dict[str, Any]:
        """A BatchNorm that nothing is fused to: its buffers as they are now, and one more batch counted."""
        live = {"running_mean": layer.running_mean.data, "running_var": layer.running_var.data}
        counted = {"momentum": layer._count_batch()} if layer.training else {}
        return {**self.node.params, **live, **counted}
