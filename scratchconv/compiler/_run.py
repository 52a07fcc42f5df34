"""The arrays of a program, and the gradients on its way back.

Arrays stay where they are from call to call, so that a step works out once what it does to them, and the kernels are
launched again (``kernels/_tape.py``). Only what ordinary operations make is in other memory each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.compiler._graph import Value
from scratchconv.kernels import _tape
from scratchconv.ops._layout import as_nhwc, from_nhwc
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array


class Run:
    """What the steps of a program know of each other."""

    def __init__(self, *, recording: bool, frozen: bool, far: int) -> None:
        self.recording = recording  # whether a backward pass may follow
        self.frozen = frozen  # whether parameters and buffers stay as they are
        self.far = far  # bytes from which on an array is stored past the caches
        self.buffers: dict[Any, Array] = {}
        self._free: dict[int, list[Array]] = {}  # memory of buffers that no one reads again, by bytes
        self.fixed: dict[Value, Array] = {}  # values that are in the same memory in each call, as (N, C, H, W)
        self.passing: dict[Value, Array] = {}  # those of this call
        self.kept: dict[Any, Any] = {}  # what a step keeps for others, and for its way back
        self.saved: dict[Any, Any] = {}  # what an ordinary operation keeps of this call
        self.used: list[Tensor] = []  # tensors whose arrays the program is bound to

    def buffer(self, key: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Return the array for ``key``, made at the first time."""
        array = self.buffers.get(key)
        if array is None:
            free = self._free.get(math.prod(shape) * np.dtype(dtype).itemsize)
            array = free.pop().view(dtype).reshape(shape) if free else empty(shape, dtype)
            self.buffers[key] = array
        return array

    def release(self, keys: Iterable[Any]) -> None:
        """Let the buffers of ``keys`` be those of later steps: no step from here on reads them."""
        for key in keys:
            array = self.buffers.pop(key, None)
            if array is not None:
                self._free.setdefault(array.nbytes, []).append(array.reshape(-1))

    def do(self, call: Callable[..., None], *arguments: Any) -> None:
        """Do something now and in each repetition."""
        _tape.do(call, *arguments)

    def data(self, tensor: Tensor) -> Array:
        """Return the array of a parameter or buffer; the program ends with it."""
        self.used.append(tensor)
        return tensor.data

    def show(self, value: Value, array: Array) -> None:
        """Let ``value`` be ``array``, in every call."""
        self.fixed[value] = array

    def array(self, value: Value) -> Array:
        """Return the array of a value as it is in this call, for what is done anew in each."""
        if value.leaf is not None:
            return value.leaf.data
        found = self.fixed.get(value)
        return self.passing[value] if found is None else found

    def still(self, value: Value) -> Array:
        """Return a value's array that is the same in each call: its own, or a copy of what passes, channels last."""
        if value.leaf is not None:
            return self.data(value.leaf)
        if value not in self.fixed:
            if len(value.shape) == 4:
                n, c, h, w = value.shape
                self.fixed[value] = from_nhwc(empty((n, h, w, c), value.dtype))
            else:
                self.fixed[value] = empty(value.shape, value.dtype)
            self.do(self._catch, value, self.fixed[value])
        return self.fixed[value]

    def pixels(self, value: Value) -> Array:
        """Return the same as (N, H, W, C)."""
        if (value, "pixels") not in self.kept:
            self.kept[value, "pixels"] = as_nhwc(self.still(value))
        pixels: Array = self.kept[value, "pixels"]
        return pixels

    def forget(self) -> None:
        """Drop what belongs to one call."""
        self.passing.clear()
        self.saved.clear()

    def _catch(self, value: Value, copy: Array) -> None:
        np.copyto(copy, self.passing[value])


class Gradients:
    """The gradients of a backward pass, summed per value, in arrays that are the same in each call.

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
            return
        if value not in self._owned:
            self._sums[value] = np.empty_like(present, subok=False)
            self._owned.add(value)
        self.run.do(np.add, present, gradient, self._sums[value])

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
