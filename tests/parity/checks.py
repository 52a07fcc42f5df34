"""One expression, both libraries: the assertions of the parity tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import scratchconv as sc
from torch_ref.parity.case import Array
from torch_ref.parity.evaluate import Outcome, run

# Rounding errors of a sum of K terms walk at random: relative to Σ|terms| their RMS is below an epsilon for any K. Four
# leave room for the largest of some thousand elements and for blocked orders of summation. A lost, doubled or misplaced
# term is an error of Σ|terms|/K: 1e4 times the bound in float32 at K = 100.
ROUNDINGS = 4
TINY = 1e-300  # 0/0 is no error

Expression = Callable[..., Any]
Named = dict[str, Array]
Magnitude = Callable[[Named, Expression, Named, tuple[str, ...]], Named]


def named(arrays: tuple[Array, ...]) -> dict[str, Array]:
    return {f"x{i}": array for i, array in enumerate(arrays)}


def normal(seed: int, *shape: int) -> Array:
    """Standard normal float64 array of float32 values: both dtypes then see the same numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(np.float64)


def integers(seed: int, *shape: int, low: int = -3, high: int = 3) -> Array:
    """Small whole numbers as float64; sums of their products are exact in float32."""
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(np.float64)


def cast(arrays: dict[str, Array], dtype: type) -> dict[str, Array]:
    return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in arrays.items()}


def assert_same_form(ours: Outcome, theirs: Outcome) -> None:
    """The same outputs and gradients, with PyTorch's shapes and dtypes."""
    mine, reference = ours.by_direction(), theirs.by_direction()
    assert {k: (v.shape, v.dtype) for k, v in mine.items()} == {k: (v.shape, v.dtype) for k, v in reference.items()}


def assert_parity(
    fn: Expression,
    *arrays: Array,
    frozen: frozenset[str] = frozenset(),
    outputs: tuple[str, ...] = ("y",),
    magnitude: Magnitude | None = None,
    roundings: float = ROUNDINGS,
) -> None:
    """``fn(lib, *tensors)`` gives what PyTorch gives: form, value and every gradient, in float64 and in float32.

    Values are compared with PyTorch's float64 result. Each element may be wrong by ``roundings`` epsilons of its
    ``magnitude(fn, inputs, outputs)``; by default that is the sum of the absolute values of the terms added up in it.
    """
    inputs = named(arrays)
    truth = run(torch, fn, inputs, frozen=frozen, outputs=outputs).by_direction()
    sizes = (magnitude or sum_of_terms)(truth, fn, inputs, outputs)
    for dtype in (np.float64, np.float32):
        given = cast(inputs, dtype)
        ours = run(sc, fn, given, frozen=frozen, outputs=outputs)
        assert_same_form(ours, run(torch, fn, given, frozen=frozen, outputs=outputs))
        for direction, value in ours.by_direction().items():
            off = np.zeros(value.shape)  # where both are equal, be it the -inf of a window without a tap
            np.subtract(value, truth[direction], out=off, where=value != truth[direction])
            wrong = np.abs(off) / (np.finfo(dtype).eps * sizes[direction] + TINY)
            assert np.all(wrong <= roundings), f"{direction} in {np.dtype(dtype)}: {wrong.max():.3g} roundings"


def sum_of_terms(truth: Named, fn: Expression, inputs: Named, outputs: tuple[str, ...]) -> Named:
    """The same expression on absolute values: right for anything linear in each of its inputs."""
    frozen = frozenset(inputs) - {name.removeprefix("d") for name in truth}
    absolute = {name: np.abs(array) for name, array in inputs.items()}
    sizes = run(torch, fn, absolute, frozen=frozen, outputs=outputs, cotangent=_absolute).by_direction()
    return {name: np.maximum(np.abs(sizes[name]), np.abs(value)) for name, value in truth.items()}


def largest_element(truth: Named, fn: Expression, inputs: Named, outputs: tuple[str, ...]) -> Named:
    """The largest element of each result: for nonlinear expressions, whose elements are differences of such."""
    return {name: np.abs(value).max(initial=0.0) for name, value in truth.items()}


def assert_exact(fn: Expression, *arrays: Array, frozen: frozenset[str] = frozenset()) -> None:
    """On small whole numbers ``fn`` gives exactly what PyTorch gives, gradients included, in both dtypes."""
    for dtype in (np.float32, np.float64):
        given = cast(named(arrays), dtype)
        ours = run(sc, fn, given, frozen=frozen, cotangent=_whole)
        theirs = run(torch, fn, given, frozen=frozen, cotangent=_whole)
        assert_same_form(ours, theirs)
        for direction, value in ours.by_direction().items():
            np.testing.assert_array_equal(value, theirs.by_direction()[direction], err_msg=direction)


def assert_same_error(fn: Expression, *arrays: Array, mentions: tuple[str, ...] = (), dtype: type = np.float32) -> None:
    """Both libraries refuse ``fn``, with the same type of exception; our message holds every one of ``mentions``."""
    given = cast(named(arrays), dtype)
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError)) as theirs:
        run(torch, fn, given)
    with pytest.raises(theirs.type) as ours:
        run(sc, fn, given)
    assert not [text for text in mentions if text not in str(ours.value)], str(ours.value)


def _absolute(shape: tuple[int, ...]) -> Array:
    return np.abs(np.random.default_rng(0).standard_normal(shape, np.float32))


def _whole(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(1).integers(-2, 3, shape).astype(np.float32)
