"""One dimension of a geometry for kernels that read the image in place: which taps lie inside it, at which pixel.

In a phase (see _plan) the shifts of the taps are evenly spaced, and so are their numbers.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from scratchconv.kernels._jit import inner

COUNT, SHIFT, GAP, TAP, TAP_GAP, FIRST, LAST = range(7)  # the columns of ``phases``


class Axis(NamedTuple):
    """Sizes, step and spread of a dimension, and ``phases`` (phases, 7).

    A phase has ``COUNT`` taps; tap t has the number TAP + t * TAP_GAP and reads the source at SHIFT + t * GAP behind
    position * step. At the positions from FIRST to the one before LAST all taps lie inside the source.
    """

    source: int
    result: int
    step: int
    spread: int
    phases: np.ndarray


@functools.lru_cache(maxsize=512)
def axis(direction):
    """Write a ``_plan.Direction`` as numbers."""
    phases = np.zeros((len(direction.phases), 7), np.int64)
    for phase, taps in enumerate(direction.phases):
        shifts, numbers = [shift for shift, _ in taps] or [0], [tap for _, tap in taps] or [0]
        gaps = (shifts[1] - shifts[0], numbers[1] - numbers[0]) if len(taps) > 1 else (1, 1)
        positions = direction.count(phase)
        first = min(positions, max(0, -(min(shifts) // direction.step)))
        last = max(first, min(positions, (direction.source - 1 - max(shifts)) // direction.step + 1))
        phases[phase] = len(taps), shifts[0], gaps[0], numbers[0], gaps[1], first, last
    return Axis(direction.source, direction.result, direction.step, direction.spread, phases)


@inner
def positions(axis, phase):
    """Positions of a phase."""
    return max(0, (axis.result - phase + axis.spread - 1) // axis.spread)


@inner
def reach(axis, phase, position):
    """The first tap that lies inside the source, and that behind the last."""
    first, last = 0, axis.phases[phase, COUNT]
    start = position * axis.step + axis.phases[phase, SHIFT]
    while first < last and start + first * axis.phases[phase, GAP] < 0:
        first += 1
    while first < last and start + (last - 1) * axis.phases[phase, GAP] >= axis.source:
        last -= 1
    return first, last
