"""Convolutions made ready write the same bits as those that start anew, as often as they are called."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels import _threads
from scratchconv.ops import bound_conv, fused_conv
from scratchconv.ops.fused_conv import Selection
from tests.ops.fused import READINGS, activation, layer_of, windows
from tests.ops.test_fused_conv import LAYERS, assert_close

dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])
kinds = pytest.mark.parametrize("kind", READINGS)


@dtypes
@kinds
@pytest.mark.parametrize("layer", LAYERS)
def test_as_often_as_called(layer: str, kind: str, dtype: type) -> None:
    make = layer_of(LAYERS[layer], dtype)
    reading = make.reading(kind, make.room(*make.x) if "skip" in kind else None)
    arguments = make.draw(*make.w), make.draw(make.g.filters), make.geometry
    y, again = make.room(*make.y), make.room(*make.y)
    pooled = windows(y).max((2, 4)).shape
    wanted = Selection(make.room(*pooled), make.rng.random(make.g.filters) > 0.5)
    fused_conv.forward(reading, *arguments, y, selection=wanted)
    found = wanted._replace(selected=make.room(*pooled))
    stored = None if reading.out is None else make.room(*make.x)
    calls = [bound_conv.forward(reading._replace(out=stored), *arguments, again, selection=found)]
    if kind == "plain":
        plain = bound_conv.forward_of_array(reading.z + 1, *arguments, again, selection=found)
        calls.append(lambda: plain(reading.z))
    _threads.enter()
    for call in calls * 2:
        for array in (again, found.selected, *([] if stored is None else [stored])):
            array.fill(np.nan)
        call()
        np.testing.assert_array_equal(again, y)
        np.testing.assert_array_equal(found.selected, wanted.selected)
        if stored is not None:
            np.testing.assert_array_equal(stored, reading.out)


@dtypes
@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_selected_without_the_rest(layer: str, dtype: type) -> None:
    make = layer_of(LAYERS[layer], dtype)
    arguments = make.reading("activation"), make.draw(*make.w), make.draw(make.g.filters), make.geometry
    y, unwanted = make.room(*make.y), make.room(*make.y)
    shape, positive = windows(y).max((2, 4)).shape, make.rng.random(make.g.filters) > 0.5
    wanted, alone = Selection(make.room(*shape), positive), Selection(make.room(*shape), positive, alone=True)
    fused_conv.forward(*arguments, y, selection=wanted)
    fused_conv.forward(*arguments, unwanted, selection=alone)
    np.testing.assert_array_equal(alone.selected, wanted.selected)


@dtypes
@kinds
def test_an_activation_and_its_mean(kind: str, dtype: type) -> None:
    make = layer_of(LAYERS["direct, stride 2"], dtype)
    stored = make.room(*make.x)
    reading = make.reading(kind, stored)
    wanted = activation(reading)
    written, means = make.room(*make.x), [make.room(make.g.batch, make.g.channels) for _ in range(2)]
    fused_conv.mean(reading, means[0])
    _threads.enter()
    bound_conv.mean(reading, means[1])()
    bound_conv.read(reading, written)()
    for found in means:
        assert_close(found, wanted.mean((1, 2)), dtype)
    assert_close(written, wanted, dtype)
    if kind != "plain":
        np.testing.assert_array_equal(stored, written)
