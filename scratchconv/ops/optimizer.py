"""Optimizer updates of many parameters at once, in place; the formulas are in kernels/optimizer/README.md."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchconv.kernels.optimizer import vector
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array


def sgd(
    params: Sequence[Array],
    grads: Sequence[Array],
    momenta: Sequence[Array],
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    first: bool = False,
) -> None:
    """Update ``params`` and ``momenta`` in place by stochastic gradient descent, as torch.optim.SGD does.

    Parameters
    ----------
    params, grads
        Arrays of equal shapes and dtypes, pair by pair; float32 and float64 may be mixed between pairs.
    momenta
        One array for each parameter, or none if ``momentum`` is 0.
    first
        Whether this is the first step: the momenta are then set to the gradients.

    Raises
    ------
    RuntimeError
        If the arrays of a parameter differ in number, shape or dtype.
    """
    states = [momenta] if momentum else []
    for batch in _batches(params, grads, states, ("momentum",)):
        rows = batch.table(columns=4)
        vector.sgd_all(
            batch.like, rows, float(lr), float(momentum), float(dampening), nesterov, float(weight_decay), first
        )
        batch.write_back()


def adam(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float = 0.0,
) -> None:
    """Update ``params`` and both running means in place by Adam, as torch.optim.Adam does.

    Parameters
    ----------
    params, grads, exp_avgs, exp_avg_sqs
        Arrays of equal shapes and dtypes for each parameter; float32 and float64 may be mixed between parameters.
    step
        Which step this is, counted from 1.

    Raises
    ------
    RuntimeError
        If the arrays of a parameter differ in number, shape or dtype.
    """
    for batch in _batches(params, grads, [exp_avgs, exp_avg_sqs], ("exp_avg", "exp_avg_sq")):
        rows = batch.table(columns=5)
        numbers = (float(lr), float(beta1), float(beta2), float(eps), float(weight_decay))
        vector.adam_all(batch.like, rows, int(step), *numbers)
        batch.write_back()


class _Batch(NamedTuple):
    """The parameters of one dtype: for each the arrays (gradient, states, parameter) in one dense memory order."""

    like: Array
    rows: list[list[Array]]
    copies: list[tuple[Array, Array]]

    def table(self, columns: int) -> Array:
        """Return (size, addresses) rows for the kernel; a missing state has address 0."""
        lines = []
        for *own, param in self.rows:
            addresses = [vector.address(array.ravel(order="K")) for array in own]
            missing = [0] * (columns - 2 - len(own))
            lines.append([param.size, *addresses, *missing, vector.address(param.ravel(order="K"))])
        return np.array(lines, np.int64)

    def write_back(self) -> None:
        """Copy results to arrays that had no dense memory, or another order than their parameter."""
        for target, copy in self.copies:
            target[...] = copy


def _batches(
    params: Sequence[Array], grads: Sequence[Array], states: Sequence[Sequence[Array]], names: tuple[str, ...]
) -> list[_Batch]:
    """Check all arrays and sort them by dtype."""
    lengths = [len(params), len(grads), *map(len, states)]
    if len(set(lengths)) != 1:
        needed = ("parameters", "gradients", *names[: len(states)])
        raise RuntimeError(f"every parameter needs its own arrays, got {dict(zip(needed, lengths, strict=True))}")
    batches: dict[np.dtype[np.generic], _Batch] = {}
    for param, *own in zip(params, grads, *states, strict=True):
        shape, dtype = param.shape, param.dtype
        for i, other in enumerate(own):
            if other.shape != shape or other.dtype != dtype:
                name = ("gradient", *names)[i]
                raise RuntimeError(
                    f"the {name} of a parameter must be {dtype} {shape}, got {other.dtype} {other.shape}"
                )
        if dtype not in batches:
            if dtype not in (np.float32, np.float64):
                raise RuntimeError(f"parameters must be float32 or float64, got {dtype} {shape}")
            batches[dtype] = _Batch(np.empty(0, dtype), [], [])
        if param.size:
            _add_row(batches[dtype], param, own)
    return [batch for batch in batches.values() if batch.rows]


def _add_row(batch: _Batch, param: Array, own: Sequence[Array]) -> None:
    """Append the arrays of one parameter (gradient and states, then itself).

    A copy takes the place of one that does not lie in memory as the parameter does, or would if it had no holes.
    """
    strides = param.strides
    if all([other.strides == strides for other in own]) and _is_dense(param.shape, strides, param.itemsize):
        batch.rows.append([*own, param])
        return
    grad, *states = own
    model = param if param.flags.c_contiguous else empty_like(param)
    row = [grad if grad.strides == model.strides else _copy(grad, model)]
    for target in (*states, param):
        if target.strides == model.strides:
            row.append(target)
        else:
            row.append(_copy(target, model))
            batch.copies.append((target, row[-1]))
    batch.rows.append(row)


@functools.lru_cache(maxsize=4096)
def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    """Whether the elements fill their memory without holes, in ascending addresses."""
    expected = itemsize
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _copy(x: Array, model: Array) -> Array:
    copy = empty_like(model)
    copy[...] = x
    return copy
