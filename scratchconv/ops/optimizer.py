"""Optimizer updates of many parameters at once, in place; the formulas are in kernels/optimizer/README.md."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.optimizer import vector
from scratchconv.ops._memory import empty_like, lie_alike
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
    tables: Tables | None = None,
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
    tables
        What earlier steps of the same parameters found out, and this one may use.

    Raises
    ------
    RuntimeError
        If the arrays of a parameter differ in number, shape or dtype.
    """
    states = [momenta] if momentum else []
    numbers = (float(lr), float(momentum), float(dampening), nesterov, float(weight_decay))
    for batch in (tables or Tables()).of(params, grads, states, ("momentum",)):
        vector.sgd_all(batch.like, batch.table, *numbers, first)
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
    tables: Tables | None = None,
) -> None:
    """Update ``params`` and both running means in place by Adam, as torch.optim.Adam does.

    Parameters
    ----------
    params, grads, exp_avgs, exp_avg_sqs
        Arrays of equal shapes and dtypes for each parameter; float32 and float64 may be mixed between parameters.
    step
        Which step this is, counted from 1.
    tables
        What earlier steps of the same parameters found out, and this one may use.

    Raises
    ------
    RuntimeError
        If the arrays of a parameter differ in number, shape or dtype.
    """
    numbers = (float(lr), float(beta1), float(beta2), float(eps), float(weight_decay))
    for batch in (tables or Tables()).of(params, grads, [exp_avgs, exp_avg_sqs], ("exp_avg", "exp_avg_sq")):
        vector.adam_all(batch.like, batch.table, int(step), *numbers)
        batch.write_back()


class Tables:
    """Where parameters and their states lie in memory: found out once, as long as they are the same arrays.

    Gradients are new arrays in each step. A copy of this object starts anew: it belongs to other arrays.
    """

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._batches: list[_Batch] = []

    def __reduce__(self) -> Any:
        return Tables, ()

    def of(
        self, params: Sequence[Array], grads: Sequence[Array], states: Sequence[Sequence[Array]], names: Sequence[str]
    ) -> list[_Batch]:
        """Return the parameters by dtype, all arrays checked."""
        arrays = [*params, *itertools.chain(*states)]
        alike = len(grads) == len(params) and all(map(_are_alike, grads, params))
        if alike and len(arrays) == len(self._arrays) and all(map(operator.is_, arrays, self._arrays)):
            for batch in self._batches:
                batch.table[:, 1] = [_address(grads[number]) for number in batch.numbers]
            return self._batches
        batches = _batches(params, grads, states, names)
        kept = alike and not any(batch.copies for batch in batches)
        self._arrays = arrays if kept else []
        self._batches = [batch._replace(held=[]) for batch in batches] if kept else []
        return batches


def _are_alike(x: Array, y: Array) -> bool:
    return x.shape == y.shape and x.dtype == y.dtype and lie_alike(x, y)


class _Batch(NamedTuple):
    """The parameters of one dtype, each with its gradient and states in one dense memory order."""

    like: Array
    numbers: list[int]  # of the parameters, among all
    table: Array  # rows for the kernels: size, addresses of gradient, states and parameter
    copies: list[tuple[Array, Array]]  # arrays that have another memory order, and what takes their place
    held: list[Array]  # gradients, which may be copies that no one else keeps alive

    def write_back(self) -> None:
        """Copy results to arrays that had no dense memory, or another order than their parameter."""
        for target, copy in self.copies:
            target[...] = copy


def _address(x: Array) -> int:
    return int(vector.address(x.ravel(order="K")))


def _batches(
    params: Sequence[Array], grads: Sequence[Array], states: Sequence[Sequence[Array]], names: Sequence[str]
) -> list[_Batch]:
    """Check all arrays and sort them by dtype."""
    lengths = [len(params), len(grads), *map(len, states)]
    if len(set(lengths)) != 1:
        needed = ("parameters", "gradients", *names[: len(states)])
        raise RuntimeError(f"every parameter needs its own arrays, got {dict(zip(needed, lengths, strict=True))}")
    rows: dict[np.dtype[np.generic], list[tuple[int, list[Array]]]] = {}
    copies: dict[np.dtype[np.generic], list[tuple[Array, Array]]] = {}
    for number, (param, *own) in enumerate(zip(params, grads, *states, strict=True)):
        shape, dtype = param.shape, param.dtype
        for i, other in enumerate(own):
            if other.shape != shape or other.dtype != dtype:
                name = ("gradient", *names)[i]
                raise RuntimeError(
                    f"the {name} of a parameter must be {dtype} {shape}, got {other.dtype} {other.shape}"
                )
        if dtype not in (np.float32, np.float64):
            raise RuntimeError(f"parameters must be float32 or float64, got {dtype} {shape}")
        if param.size:
            row = _row(param, own, copies.setdefault(dtype, []))
            rows.setdefault(dtype, []).append((number, row))
    return [_batch(dtype, rows[dtype], copies[dtype], len(names)) for dtype in rows]


def _batch(
    dtype: np.dtype[np.generic], rows: list[tuple[int, list[Array]]], copies: list[tuple[Array, Array]], states: int
) -> _Batch:
    """Make the table; a missing state has address 0."""
    lines = []
    for _, (*own, param) in rows:
        addresses = [_address(array) for array in own]
        missing = [0] * (1 + states - len(own))
        lines.append([param.size, *addresses, *missing, _address(param)])
    numbers, gradients = [number for number, _ in rows], [row[0] for _, row in rows]
    return _Batch(np.empty(0, dtype), numbers, np.array(lines, np.int64), copies, gradients)


def _row(param: Array, own: Sequence[Array], copies: list[tuple[Array, Array]]) -> list[Array]:
    """Return the arrays of one parameter (gradient and states, then itself).

    A copy takes the place of one that does not lie in memory as the parameter does, or would if it had no holes.
    """
    if all([lie_alike(other, param) for other in own]) and _is_dense(param.shape, param.strides, param.itemsize):
        return [*own, param]
    grad, *states = own
    model = param if param.flags.c_contiguous else empty_like(param)
    row = [grad if lie_alike(grad, model) else _copy(grad, model)]
    for target in (*states, param):
        if lie_alike(target, model):
            row.append(target)
        else:
            row.append(_copy(target, model))
            copies.append((target, row[-1]))
    return row


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
