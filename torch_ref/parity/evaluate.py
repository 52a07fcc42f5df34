"""Run one expression in either library: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from torch_ref.parity.case import Array, Case

Cotangent = Callable[[tuple[int, ...]], Array]


class Outcome(NamedTuple):
    """What an expression returned, and the gradient of each differentiable input, by name."""

    outputs: dict[str, Array]
    gradients: dict[str, Array]

    def by_direction(self) -> dict[str, Array]:
        """All arrays under one set of names: outputs under their own, the gradient of ``t`` as ``dt``."""
        return self.outputs | {f"d{name}": array for name, array in self.gradients.items()}


def run(
    lib: ModuleType,
    fn: Callable[..., Any],
    arrays: Mapping[str, Array],
    *,
    frozen: Set[str] = frozenset(),
    outputs: Sequence[str] = ("forward",),
    cotangent: Cotangent | None = None,
) -> Outcome:
    """Evaluate ``fn(lib, *tensors)`` and, if its first result can be differentiated, pull a gradient back through it.

    ``cotangent(shape)`` is the gradient given to ``backward``; by default the same standard normal numbers for both
    libraries and both dtypes. ``arrays`` are copied first, because an expression may write into its tensors; the copy
    keeps the memory order, so channels-last memory arrives as such.
    """
    tensors = {
        name: _tensor(lib, array, requires_grad=_is_floating(array) and name not in frozen)
        for name, array in arrays.items()
    }
    result = fn(lib, *tensors.values())
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(outputs):
        raise ValueError(f"the expression returned {len(results)} tensors, but outputs names {tuple(outputs)}")
    gradients: dict[str, Array] = {}
    if results[0].requires_grad and results[0].grad_fn is not None:
        dy = (cotangent or normal_cotangent())(tuple(results[0].shape)).astype(_array(results[0]).dtype)
        results[0].backward(_tensor(lib, dy, requires_grad=False))
        gradients = {name: _array(t.grad) for name, t in tensors.items() if t.requires_grad and t.grad is not None}
    named = {name: _array(value) for name, value in zip(outputs, results, strict=True)}
    return Outcome(named, gradients)


def normal_cotangent(seed: int = 0) -> Cotangent:
    """Make gradients of standard normal numbers, rounded to float32 so that both dtypes get the same ones."""
    return lambda shape: np.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def run_case(lib: ModuleType, case: Case, dtype: type[np.floating[Any]], seed: int) -> Outcome:
    """Run ``case`` with its inputs for ``seed`` in the given dtype."""
    arrays = {name: a.astype(dtype) if _is_floating(a) else a for name, a in case.draw(seed).items()}
    return run(lib, case.fn, arrays, frozen=case.frozen, outputs=case.outputs, cotangent=normal_cotangent(seed + 1))


def _is_floating(array: Array) -> bool:
    return bool(np.issubdtype(array.dtype, np.floating))


def _tensor(lib: ModuleType, array: Array, *, requires_grad: bool) -> Any:
    """Copy ``array`` into a leaf tensor."""
    copy = np.array(array, order="K")
    tensor = lib.from_numpy(copy) if lib is torch else lib.tensor(copy)
    tensor.requires_grad = requires_grad
    return tensor


def _array(tensor: Any) -> Array:
    array: Array = np.array(tensor.detach().numpy())
    return array
