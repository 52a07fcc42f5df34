"""One call of a plan: its arrays on the way forward, and the gradients on the way back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from scratchconv.autograd import Tensor
from scratchconv.compiler._graph import Value
from scratchconv.ops import fused_conv, linear
from scratchconv.ops._layout import as_nhwc
from scratchconv.ops._memory import empty, memory_of
from scratchconv.ops._op import Array
from scratchconv.ops.fused_conv import Reading

Buffers = dict[Any, Array]


class Run:
    """The state of one call. Its buffers come from the plan and go back when the call is forgotten."""

    def __init__(self, buffers: Buffers, home: list[Buffers], recording: bool) -> None:
        self.buffers = buffers
        self.recording = recording  # whether a backward pass may follow
        self.arrays: dict[Value, Array] = {}  # in their meaning, (N, C, H, W)
        self.kept: dict[Any, Any] = {}  # what a step keeps for its way back
        self.far = fused_conv.far_for(sum(buffer.nbytes for buffer in buffers.values()))
        self._lease = weakref.finalize(self, home.append, buffers)

    def buffer(self, key: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Return the plan's array for ``key``: the same memory in every call that is not in flight together."""
        array = self.buffers.get(key)
        if array is None:
            array = self.buffers[key] = empty(shape, dtype)
        return array

    def array(self, value: Value) -> Array:
        """Return the array of a value that exists in memory."""
        return value.leaf.data if value.leaf is not None else self.arrays[value]

    def own(self, arrays: Sequence[Array | None]) -> list[Any]:
        """Return ``arrays``, those copied that show a buffer of the plan."""
        ours = {id(memory_of(buffer)) for buffer in self.buffers.values()}
        return [y if y is None or id(memory_of(y)) not in ours else y.copy(order="K") for y in arrays]

    # What steps do, here at once; ``_program`` also takes it down.

    def do(self, call: Callable[[], None]) -> None:
        """Do something whose outcome depends on the input."""
        call()

    def frozen(self, tensor: Tensor) -> Array:
        """Return the array of a parameter or buffer."""
        return tensor.data

    def show(self, value: Value, array: Array) -> None:
        """Let ``value`` be ``array``."""
        self.arrays[value] = array

    def pixels(self, value: Value) -> Array:
        """Return the array of a value as (N, H, W, C)."""
        if (value, "pixels") not in self.kept:
            self.kept[value, "pixels"] = as_nhwc(self.array(value))
        pixels: Array = self.kept[value, "pixels"]
        return pixels

    def convolve(self, source: Reading | Value, *arrays: Any, **options: Any) -> Any:
        """Convolve an activation, or a value that is in memory, as ``fused_conv.forward`` does."""
        reading = source if isinstance(source, Reading) else Reading(self.pixels(source))
        return fused_conv.forward(reading, *arrays, **options)

    def read(self, source: Reading, out: Array) -> None:
        """Write an activation to ``out``."""
        fused_conv.read(source, out)

    def mean(self, source: Reading, out: Array) -> None:
        """Write the mean over the pixels of an activation to ``out``."""
        fused_conv.mean(source, out)

    def linear(self, step: Any, w: Array, b: Array) -> None:
        """Let the output of a linear ``step`` be its rows times ``w`` plus ``b``."""
        self.arrays[step.node.output], saved = linear.forward(step.rows(self), w, b)
        if self.recording and step.node.output.needs_grad:
            self.kept[step] = saved


class Gradients:
    """The gradients of one backward pass, summed per value.

    An array that arrives may be known elsewhere, so the first is kept as it is, and a second makes a new sum.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.found: dict[Any, Any] = {}  # what a step found out for the steps before it
        self._sums: dict[Value, Array] = {}
        self._owned: set[Value] = set()
        self._waiting: dict[Value, int] = {}

    def add(self, value: Value, gradient: Array | None) -> None:
        """Add the gradient that one consumer of ``value`` sends; None counts as heard."""
        self._waiting[value] = self.waiting(value) - 1
        if gradient is None:
            return
        present = self._sums.get(value)
        if present is None:
            self._sums[value] = gradient
        elif value in self._owned:
            present += gradient
        else:
            self._sums[value] = present + gradient
            self._owned.add(value)

    def waiting(self, value: Value) -> int:
        """How many uses of ``value`` have not sent their gradient."""
        return self._waiting.get(value, len(value.consumers))

    def of(self, value: Value) -> Array | None:
        """Return the sum so far, in its meaning."""
        return self._sums.get(value)

    def pixels_of(self, value: Value) -> Array | None:
        """Return the sum so far of a four-dimensional value, (N, H, W, C)."""
        gradient = self._sums.get(value)
        return None if gradient is None else as_nhwc(gradient)
