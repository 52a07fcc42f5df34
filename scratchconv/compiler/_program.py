"""A plan made ready for calls: the first one is taken down, and later ones repeat its kernels on the same arrays.

A program belongs to one call at a time, from the way forward to the end of its way back. In evaluation a network's
weights stay as they are, too: BatchNorm is folded into them and they are packed or transformed once, and all of it
lasts as long as the numbers that it was made from (``_snapshot``).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scratchconv.compiler._run import Gradients, Run
from scratchconv.compiler._snapshot import Snapshot
from scratchconv.kernels import _tape, _threads
from scratchconv.kernels._tape import Scratch, Tape
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array

if TYPE_CHECKING:
    from scratchconv.compiler._plan import Plan, Step

_data = operator.attrgetter("data")


class Program:
    """One recording of a plan, forward and, with ``recording``, backward."""

    def __init__(self, plan: Plan, *, recording: bool) -> None:
        self._plan = plan
        self._run = Run(recording=recording, frozen=plan.frozen and not recording, far=plan.far(recording))
        self._tape = functools.partial(Tape, Scratch(), frozen=self._run.frozen)
        self._forward: _Way | None = None
        self._backward: _Way | None = None
        self._y: Array | None = None
        self._dy: Array | None = None
        self._gradients: list[Array | None] = []
        self._snapshot: Snapshot | None = None
        self._arrays: list[Array] = []

    def fits(self) -> bool:
        """Whether parameters and buffers are what they were when this was recorded."""
        if self._snapshot is not None:
            return self._snapshot.holds()
        return all(map(operator.is_, map(_data, self._run.used), self._arrays))

    def forward(self, arrays: Sequence[Array]) -> Array:
        """Run all steps on the arguments' ``arrays``, and return the output in memory of its own."""
        run, graph = self._run, self._plan.graph
        run.passing.update(zip(graph.inputs, arrays, strict=False))
        if self._forward is None:
            self._forward = _Way("forward", self._plan.steps, self._step_forward, self._tape)
            chain = self._plan.chains.get(graph.output)
            if chain is not None:
                with _tape.recording(self._forward.last):  # what this does belongs to the last step
                    self._y = chain.array(run)
            self._arrays = list(map(_data, run.used))
            self._snapshot = Snapshot(run.used) if run.frozen else None
        else:
            self._forward.repeat(self._plan)
        y = (self._y if self._y is not None else run.array(graph.output)).copy(order="K")
        run.passing.clear()
        return y

    def backward(self, dy: Array) -> list[Array | None]:
        """Run all steps backwards, and return the gradients of inputs and leaves in memory of their own."""
        if self._backward is None or self._dy is None:
            self._record_backward(dy)
        else:
            np.copyto(self._dy, dy)
            self._backward.repeat(self._plan)
        return [None if gradient is None else gradient.copy(order="K") for gradient in self._gradients]

    def _step_forward(self, step: Step) -> None:
        step.forward(self._run)
        if not self._run.recording:
            for chain in self._plan.last_reads[self._plan.steps.index(step)]:
                self._run.release(chain.buffers())

    def forget(self) -> None:
        """Drop what belongs to the last call."""
        self._run.forget()

    def _record_backward(self, dy: Array) -> None:
        self._dy = empty_like(dy)
        np.copyto(self._dy, dy)
        gradients = Gradients(self._run)
        gradients.add(self._plan.graph.output, self._dy)
        steps = self._plan.steps[::-1]
        self._backward = _Way("backward", steps, lambda step: step.backward(gradients), self._tape)
        self._gradients = [gradients.of(value) for value in self._plan.inputs]


class Lease:
    """Whoever holds it may use the program; when no one does any more, the program is at home again."""

    __slots__ = ("_home", "program")

    def __init__(self, program: Program, home: list[Program]) -> None:
        self.program, self._home = program, home

    def __del__(self) -> None:
        self.program.forget()
        self._home.append(self.program)


class _Way:
    """The calls of one direction, step by step; made by doing each for the first time."""

    def __init__(
        self, name: str, steps: Iterable[Step], work: Callable[[Step], None], tape: Callable[[], Tape]
    ) -> None:
        self._name = name
        self._steps: list[tuple[Step, Tape]] = []
        for step in steps:
            with _tape.recording(tape()) as taken_down:
                work(step)
            self._steps.append((step, taken_down))

    @property
    def last(self) -> Tape:
        """The tape of the last step."""
        return self._steps[-1][1]

    def repeat(self, plan: Plan) -> None:
        """Make all calls again."""
        _threads.enter()
        if plan.watch is None:
            self._all.replay()
        else:
            for step, tape in self._steps:
                plan.timed(self._name, step, tape.replay)

    @functools.cached_property
    def _all(self) -> Tape:
        tape = Tape()
        tape.calls = [call for _, each in self._steps for call in each.calls]
        return tape
