"""From a traced call to a plan, and the plan as one operation that autograd records."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from scratchconv import nn
from scratchconv.compiler._graph import Graph, Node, Value
from scratchconv.compiler._heads import LinearStep, MeanStep, flattened, is_linear, is_mean
from scratchconv.compiler._patterns import match
from scratchconv.compiler._program import Program
from scratchconv.compiler._run import Buffers, Gradients, Run
from scratchconv.compiler._steps import Chain, ConvStep, PlainStep
from scratchconv.ops._op import Array

Step = ConvStep | PlainStep | LinearStep | MeanStep


class Plan:
    """The steps of one kind of call, and their buffers. ``forward`` and ``backward`` make it an operation."""

    name = "compiled"

    def __init__(self, graph: Graph, model: nn.Module) -> None:
        self.graph = graph
        self.inputs = [*graph.inputs, *graph.leaves]
        self.leaves = [value.leaf for value in graph.leaves if value.leaf is not None]
        self.chains: dict[Value, Chain] = {}
        self.steps = _steps(graph, model, self.chains)
        self.watch: Callable[[Step, str, float], None] | None = None  # hears how long each step took
        self._free: list[Buffers] = []
        self._programs: list[Program] = []  # idle ones; a second is made where two calls are in flight
        skips = [chain.activation.skip for chain in self.chains.values()]
        fixed = all(skip is None or skip in self.chains for skip in skips)  # else in other memory in each call
        self._repeats = fixed and not any(step.in_training for step in self.steps)

    def fits(self) -> bool:
        """Whether the leaves want gradients as they did; a tensor from outside the model may have changed."""
        wanted = [value.needs_grad for value in self.graph.leaves]
        return [leaf._requires_grad for leaf in self.leaves] == wanted

    def forward(self, *arrays: Array, recording: bool) -> tuple[Array, Any]:
        """Run all steps on the arguments' and the leaves' arrays."""
        if self._repeats and not recording:
            return self.repeat(*arrays), ()
        run = Run(self._free.pop() if self._free else {}, self._free, recording)
        run.arrays.update(zip(self.graph.inputs, arrays, strict=False))
        for step in self.steps:
            self._timed("forward", step, functools.partial(step.forward, run))
        output = self.graph.output
        y = self.chains[output].array(run) if output in self.chains else run.array(output)
        (owned,) = run.own([y])
        return owned, (run, *arrays) if recording else ()

    def repeat(self, *arrays: Array) -> Array:
        """Run without a backward pass, by a program that was made ready in an earlier call if there is one."""
        try:
            program = self._programs.pop()  # in one step: another thread may want it, too
        except IndexError:
            program = None
        if program is None or not program.fits():
            program = Program(self, arrays)
            y = program.first
            del program.first
        elif self.watch is None:
            y = program.run(*arrays)
        else:
            y = program.run_timed(functools.partial(self._timed, "forward"), *arrays)
        self._programs.append(program)
        return y

    def backward(self, saved: Any, dy: Array, needs: tuple[bool, ...]) -> list[Array | None]:
        """Run all steps backwards."""
        run: Run = saved[0]
        gradients = Gradients(run)
        gradients.add(self.graph.output, dy)
        for step in reversed(self.steps):
            self._timed("backward", step, functools.partial(step.backward, gradients))
        found = [gradients.of(value) if need else None for value, need in zip(self.inputs, needs, strict=True)]
        return run.own(found)

    def _timed(self, way: str, step: Step, work: Callable[[], None]) -> None:
        if self.watch is None:
            work()
            return
        start = time.perf_counter()
        work()
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
            steps.append(LinearStep(node, views[node], chains))
        elif is_mean(node, chains):
            steps.append(MeanStep(node, chains[node.inputs[0]], graph.output))
        elif node not in inside:
            steps.append(PlainStep(node, matches.norms.get(node), chains))
    return steps


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
