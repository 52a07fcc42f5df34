"""From a traced call to a plan, and the plan as one operation that autograd records."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from scratchconv import nn
from scratchconv.compiler._graph import Graph, Node, Value
from scratchconv.compiler._heads import LinearStep, MeanStep, flattened, is_linear, is_mean
from scratchconv.compiler._patterns import match
from scratchconv.compiler._plain import PlainStep
from scratchconv.compiler._program import Lease, Program
from scratchconv.compiler._steps import Chain, ConvStep
from scratchconv.kernels.conv2d._source import FAR, far_for
from scratchconv.ops._op import Array

Step = ConvStep | PlainStep | LinearStep | MeanStep


class Plan:
    """The steps of one kind of call, and their buffers. ``forward`` and ``backward`` make it an operation."""

    name = "compiled"
    fresh = True

    def __init__(self, graph: Graph, model: nn.Module) -> None:
        self.graph = graph
        self.inputs = [*graph.inputs, *graph.leaves]
        self.leaves = [value.leaf for value in graph.leaves if value.leaf is not None]
        self.chains: dict[Value, Chain] = {}
        self.steps = _steps(graph, model, self.chains)
        self.watch: Callable[[Step, str, float], None] | None = None  # hears how long each step took
        self.last_reads = _last_reads(self.steps, self.chains, graph.output)
        # Idle programs, without and with a way back; a second is made where two calls are in flight.
        self._idle: tuple[list[Program], list[Program]] = ([], [])
        self.frozen = not any(step.in_training for step in self.steps)  # nothing but the input changes, without one

    def fits(self) -> bool:
        """Whether the leaves want gradients as they did; a tensor from outside the model may have changed."""
        wanted = [value.needs_grad for value in self.graph.leaves]
        return [leaf._requires_grad for leaf in self.leaves] == wanted

    def forward(self, *arrays: Array, recording: bool) -> tuple[Array, Any]:
        """Run all steps on the arguments' and the leaves' arrays."""
        home = self._idle[recording]
        try:
            program = home.pop()  # in one step: another thread may want it, too
        except IndexError:
            program = None
        if program is None or not program.fits():
            program = Program(self, recording=recording)
        y = program.forward(arrays)
        if recording:
            return y, (Lease(program, home), *arrays)
        home.append(program)
        return y, ()

    def backward(self, saved: Any, dy: Array, needs: tuple[bool, ...]) -> list[Array | None]:
        """Run all steps backwards."""
        found = saved[0].program.backward(dy)
        return [gradient if need else None for gradient, need in zip(found, needs, strict=True)]

    def far(self, recording: bool) -> int:
        """Bytes from which on what a step writes goes past the caches (see ``far_for``)."""
        if not recording:
            return FAR
        results = [step.node.output for step in self.steps if isinstance(step, ConvStep)]
        # A result, and about as much for what is read of it and for the gradients.
        total: int = far_for(2 * sum(math.prod(y.shape) * y.dtype.itemsize for y in results))
        return total

    def timed(self, way: str, step: Step, work: Callable[[], None]) -> None:
        """Do the work of a step, and tell who watches."""
        start = time.perf_counter()
        work()
        if self.watch is not None:
            self.watch(step, way, time.perf_counter() - start)


def _steps(graph: Graph, model: nn.Module, chains: dict[Value, Chain]) -> list[Step]:
    """Turn nodes into steps; nodes inside an activation leave none."""
    matches = match(graph, model)
    inside = {node for activation in matches.activations for node in activation.nodes}
    for activation in matches.activations:
        readers = sum(node in matches.convolutions for node in activation.output.consumers)
        at_output = activation.output is graph.output
        chains[activation.output] = Chain(activation, -1 if at_output else readers, chains)
    steps: list[Step] = []
    views = {node: flattened(node, graph) for node in graph.nodes if is_linear(node)}
    inside.update(view for view in views.values() if view is not None)
    for node in graph.nodes:
        if node in matches.convolutions:
            steps.append(_convolution(node, matches, chains))
        elif node in views:
            steps.append(LinearStep(node, views[node], chains, graph.output))
        elif is_mean(node, chains):
            steps.append(MeanStep(node, chains[node.inputs[0]], graph.output))
        elif node not in inside:
            steps.append(PlainStep(node, matches.norms.get(node), chains))
    return steps


def _last_reads(steps: list[Step], chains: dict[Value, Chain], output: Value) -> list[list[Chain]]:
    """Return for each step the activations that nobody reads after it, on the way forward."""
    after: dict[Chain, float] = {}
    found: list[list[Chain]] = [[] for _ in steps]
    for value, chain in reversed(chains.items()):
        by = [math.inf] if value is output else [steps.index(step) for step in chain.convolutions]
        for i, step in enumerate(steps):
            if isinstance(step, PlainStep):
                by += [math.inf] if value in step.node.inputs else []  # it may make a view
            elif step.source is chain:
                by.append(i)
        by += [after[other] for other in after if other.activation.skip is value]  # is read where that one is read
        after[chain] = max(by)
        if after[chain] < math.inf:
            found[int(after[chain])].append(chain)
    return found


def _convolution(node: Node, matches: Any, chains: dict[Value, Chain]) -> ConvStep:
    activation = matches.convolutions[node]
    source = chains.get(node.inputs[0])
    if activation is None:
        return ConvStep(node, None, None, None, source)
    branch = next(branch for branch in activation.branches if branch.convolution is node)
    chain = chains[activation.output]
    layer = None if branch.norm is None else matches.norms.get(branch.norm)
    step = ConvStep(node, chain, branch.norm, layer, source)
    if branch is activation.branches[0]:
        chain.convolutions.insert(0, step)
    else:
        chain.convolutions.append(step)
    return step
