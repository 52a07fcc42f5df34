"""Fused convolutions on a tape: a repetition computes from the numbers that are in the arrays then, bit by bit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from scratchconv.kernels import _tape, _threads
from scratchconv.kernels._tape import Tape
from scratchconv.ops import fused_conv
from scratchconv.ops.fused_conv import Selection
from tests.ops.fused import GRADIENTS, READINGS, TARGETS, Array, Layer, layer_of, windows
from tests.ops.test_fused_conv import LAYERS

dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])
layers = pytest.mark.parametrize("layer", LAYERS)


def arrays(*things: Any) -> Iterator[Array]:
    """All arrays in nested tuples."""
    for thing in things:
        if isinstance(thing, np.ndarray):
            yield thing
        elif isinstance(thing, tuple):
            yield from arrays(*thing)


def redraw(make: Layer, *things: Any) -> None:
    """Put other numbers into the same arrays."""
    for array in arrays(*things):
        array[...] = make.rng.random(array.shape) > 0.5 if array.dtype == bool else make.draw(*array.shape)


def repeat(tape: Tape, *results: Any) -> None:
    """Repeat what was taken down; nothing may be left of the first time in its results and in the scratch."""
    for array in arrays(*results):
        array.fill(np.nan)
    for block in tape.scratch._blocks:
        block.fill(0xFF)  # no number
    _threads.enter()
    tape.replay()


def copies(*things: Any) -> list[Array]:
    return [array.copy() for array in arrays(*things)]


def same(found: list[Array], wanted: list[Array]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@dtypes
@layers
@pytest.mark.parametrize("kind", READINGS)
def test_forward(layer: str, kind: str, dtype: type) -> None:
    make = layer_of(LAYERS[layer], dtype)
    reading = make.reading(kind, make.room(*make.x) if "skip" in kind else None)
    w, b, y = make.draw(*make.w), make.draw(make.g.filters), make.room(*make.y)
    selection = Selection(make.room(*windows(y).max((2, 4)).shape), make.rng.random(make.g.filters) - 0.5)

    def call() -> Any:
        return fused_conv.forward(reading, w, b, make.geometry, y, statistics=True, selection=selection)

    check(call, make, (reading._replace(out=None), w, b, selection.slope), (y, selection.selected, reading.out))


def check(call: Callable[[], Any], make: Layer, given: Any, results: Any, frozen: bool = False) -> None:
    """Take a call down, repeat it with other numbers, and compare with the call itself."""
    with _tape.recording(Tape(frozen=frozen)) as tape:
        more = call()
    redraw(make, given)
    repeat(tape, results, more)
    found = copies(results, more)
    same(found, copies(results, call()))


@dtypes
@layers
def test_backward(layer: str, dtype: type) -> None:
    for read, given, wanted in product(READINGS, GRADIENTS, TARGETS):
        make = layer_of(LAYERS[layer], dtype)
        reading, gradient, w = make.reading(read), make.gradient(given), make.draw(*make.w)
        target, dw = make.target(wanted, reading, None), make.room(*make.w)

        call = functools.partial(fused_conv.backward, reading, gradient, w, make.geometry, dw=dw, target=target)
        check(call, make, (reading, gradient, w, target._replace(g=None)), (dw, target.g))


@dtypes
@layers
@pytest.mark.parametrize("kind", READINGS)
def test_forward_with_frozen_weights(layer: str, kind: str, dtype: type) -> None:
    make = layer_of(LAYERS[layer], dtype)
    reading = make.reading(kind, make.room(*make.x) if "skip" in kind else None)
    w, b, y = make.draw(*make.w), make.draw(make.g.filters), make.room(*make.y)
    selected, slope = make.room(*windows(y).max((2, 4)).shape), make.rng.random(make.g.filters) - 0.5
    for alone in (False, True):
        selection = Selection(selected, slope, alone)
        with _tape.recording(Tape(frozen=True)) as tape:
            fused_conv.forward(reading, w, b, make.geometry, y, selection=selection)
        redraw(make, reading.z, reading.skip)
        results = selected, reading.out, *([] if alone else [y])
        fused_conv.forward(reading, w, b, make.geometry, y, selection=selection)
        wanted, weights = copies(results), copies(w, b)
        redraw(make, w, b)  # no one looks
        repeat(tape, results)
        same(copies(results), wanted)
        w[...], b[...] = weights


@dtypes
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("kind", READINGS)
def test_an_activation_and_its_mean(kind: str, frozen: bool, dtype: type) -> None:
    make = layer_of(LAYERS["direct, stride 2"], dtype)
    reading = make.reading(kind, make.room(*make.x))
    written, mean = make.room(*make.x), make.room(make.g.batch, make.g.channels)

    def call() -> None:
        fused_conv.mean(reading, mean)
        fused_conv.read(reading, written)

    moving = (reading.z, reading.skip) if frozen else reading._replace(out=None)
    check(call, make, moving, (written, mean, reading.out), frozen)


@dtypes
@pytest.mark.parametrize("frozen", [False, True])
def test_a_linear_layer_on_an_activation(frozen: bool, dtype: type) -> None:
    make = layer_of(LAYERS["direct, stride 2"], dtype)
    reading = make.reading("activation", None)
    batch, size = make.g.batch, reading.z[0].size
    w, b, dy = make.draw(5, size), make.draw(5), make.draw(batch, 5)
    x, y = make.room(batch, size), make.room(batch, 5)
    target = make.target("sums", reading, None)

    def call() -> Any:
        fused_conv.linear(reading, w, b, x, y)
        return fused_conv.linear_input_grad(reading, dy, w, target)

    moving = (reading.z,) if frozen else (reading, w, b, dy, target._replace(g=None))
    check(call, make, moving, (x, y, target.g), frozen)
