"""A plan made ready for calls without a backward pass: what does not depend on the input is done once.

In evaluation a network's weights stay as they are from call to call. So BatchNorm is folded into them, and they are
packed or transformed, once; kernels are bound to their arrays; and a call is a list of functions without arguments.
All of it lasts as long as the numbers that it was made from (``_snapshot``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scratchconv.autograd import Tensor
from scratchconv.compiler._graph import Value
from scratchconv.compiler._run import Run
from scratchconv.compiler._snapshot import Snapshot
from scratchconv.kernels import _threads
from scratchconv.ops import bound_conv, linear
from scratchconv.ops._layout import as_nhwc, from_nhwc
from scratchconv.ops._memory import empty, memory_of
from scratchconv.ops._op import Array
from scratchconv.ops.fused_conv import Reading

if TYPE_CHECKING:
    from scratchconv.compiler._plan import Plan, Step

Call = Callable[[], None]


class Recording(Run):
    """A run that takes down what it does as calls that can be repeated."""

    def __init__(self) -> None:
        super().__init__({}, [], False)
        self.calls: list[Call] = []
        self.used: list[Tensor] = []

    def do(self, call: Call) -> None:
        """Do something now and in every repetition."""
        call()
        self.calls.append(call)

    def frozen(self, tensor: Tensor) -> Array:
        """Return the array of a tensor whose numbers go into what is prepared."""
        self.used.append(tensor)
        return tensor.data

    def show(self, value: Value, array: Array) -> None:
        """Let ``value`` be ``array``, the same one in every repetition."""
        self.do(functools.partial(self._show, value, array))

    def convolve(self, source: Reading | Value, *arrays: Any, **options: Any) -> None:
        """Bind a convolution of an activation, or of an array that may be another in each call."""
        if isinstance(source, Reading):
            self.do(bound_conv.forward(source, *arrays, **options))
            return
        convolve = bound_conv.forward_of_array(self.pixels(source), *arrays, **options)
        self.do(lambda: convolve(self.pixels(source)))

    def read(self, source: Reading, out: Array) -> None:
        """Bind the writing of an activation."""
        self.do(bound_conv.read(source, out))

    def mean(self, source: Reading, out: Array) -> None:
        """Bind the mean of an activation."""
        self.do(bound_conv.mean(source, out))

    def linear(self, step: Any, w: Array, b: Array) -> None:
        """Bind a linear layer. Its result has memory of its own in each call."""
        rows, output = step.rows(self), step.node.output
        multiply = linear.bind(rows, w, b)

        def call() -> None:
            y = self.arrays[output] = empty(output.shape, output.dtype)
            multiply(rows if step.source is not None else step.rows(self), y)

        self.do(call)

    def pixels(self, value: Value) -> Array:
        """Return the array of a value as (N, H, W, C), copied at most once a call."""
        array = self.array(value)
        pixels = as_nhwc(array)
        if value.leaf is None and pixels.base is not array.base:
            self.arrays[value] = from_nhwc(pixels)
        return pixels

    def _show(self, value: Value, array: Array) -> None:
        self.arrays[value] = array


class Program:
    """One recording of a plan, which ``run`` repeats with other inputs."""

    def __init__(self, plan: Plan, arrays: Sequence[Array]) -> None:
        self._inputs, self._output = plan.graph.inputs, plan.graph.output
        self._state = state = Recording()
        state.arrays.update(zip(self._inputs, arrays, strict=False))
        self._steps: list[tuple[Step, list[Call]]] = []
        for step in plan.steps:
            state.calls = []
            step.forward(state)
            self._steps.append((step, state.calls))
        chain = plan.chains.get(self._output)
        self._stored = None if chain is None else chain.array(state)  # what this does belongs to the last step
        self._calls = [call for _, calls in self._steps for call in calls]
        self._buffers = {id(memory_of(buffer)) for buffer in state.buffers.values()}
        self._snapshot = Snapshot(state.used)
        self.first = self._take()

    def fits(self) -> bool:
        """Whether parameters and buffers are what they were when this was made."""
        return self._snapshot.holds()

    def run(self, *arrays: Array) -> Array:
        """Compute the output for other inputs."""
        known = self._state.arrays
        for value, array in zip(self._inputs, arrays, strict=False):
            known[value] = array
        _threads.enter()
        for call in self._calls:
            call()
        return self._take()

    def run_timed(self, timed: Callable[..., None], *arrays: Array) -> Array:
        """As ``run``, step by step: ``timed(step, work)`` does the work."""
        self._state.arrays.update(zip(self._inputs, arrays, strict=False))
        _threads.enter()
        for step, calls in self._steps:
            timed(step, functools.partial(_all, calls))
        return self._take()

    def _take(self) -> Array:
        """Return the output in memory of its own, and forget the arrays of this call."""
        y = self._state.array(self._output) if self._stored is None else self._stored
        self._state.arrays.clear()
        return y.copy(order="K") if id(memory_of(y)) in self._buffers else y


def _all(calls: list[Call]) -> None:
    for call in calls:
        call()
