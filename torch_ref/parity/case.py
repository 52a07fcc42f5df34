"""A parity case: one operation on one geometry, written once and run in both libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Maker = Callable[[np.random.Generator], Array]


@dataclass(frozen=True)
class Case:
    """``fn(lib, *tensors)`` on inputs drawn by ``inputs``, where ``lib`` is the module torch or scratchconv.

    Both libraries offer the same names (``lib.nn.functional``, ``lib.optim``, tensor methods), so one expression
    serves both. Floating inputs receive a gradient unless they are in ``frozen``.

    op         row of the report, and key of ``measure.LIMITS``
    geometry   what tells this case from the others of the same operation
    inputs     name -> function of a random generator that returns a float64 or an integer array
    outputs    names of what ``fn`` returns (one tensor, or a tuple); the gradient starts at the first
    """

    op: str
    geometry: str
    fn: Callable[..., Any]
    inputs: Mapping[str, Maker]
    frozen: frozenset[str] = frozenset()
    outputs: tuple[str, ...] = ("forward",)

    def draw(self, seed: int) -> dict[str, Array]:
        """Draw the inputs. Floating ones hold float32 values, so that both dtypes see exactly the same numbers."""
        rng = np.random.default_rng(seed)
        arrays = {name: make(rng) for name, make in self.inputs.items()}
        return {name: _through_float32(array) for name, array in arrays.items()}


def _through_float32(array: Array) -> Array:
    return array.astype(np.float32).astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array


def normal(*shape: int, scale: float = 1.0, offset: float = 0.0) -> Maker:
    """``offset + scale * z`` with z standard normal."""
    return lambda rng: offset + scale * rng.standard_normal(shape)


def positive(*shape: int, low: float = 0.1, high: float = 4.0) -> Maker:
    """Draw uniformly from [low, high)."""
    return lambda rng: rng.uniform(low, high, shape)


def away_from_zero(*shape: int) -> Maker:
    """Magnitudes in [0.5, 2) with random signs: divisors."""
    return lambda rng: rng.uniform(0.5, 2.0, shape) * rng.choice((-1.0, 1.0), shape)


def labels(n: int, classes: int) -> Maker:
    """``n`` class numbers, int64."""
    return lambda rng: rng.integers(0, classes, n)
