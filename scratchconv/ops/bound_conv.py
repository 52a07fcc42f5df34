"""Fused convolutions made ready for many calls: weights in the kernels' order, kernels bound to their arrays.

The functions here return what those of ``fused_conv`` would do, as calls that take next to nothing and cost little:
each reads the arrays of its source and writes its results. Weights, bias and the coefficients of the source are copied
when it is made. Whoever calls the result prepares the thread (``kernels._threads.enter``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from scratchconv import backends
from scratchconv.kernels._jit import specialized
from scratchconv.kernels.conv2d import _ends
from scratchconv.kernels.conv2d._source import plain
from scratchconv.ops._convolution import Geometry
from scratchconv.ops._op import Array
from scratchconv.ops.fused_conv import Reading, Selection, algorithm_for, as_source, finishing, reads_all

Call = Callable[[], None]


def forward(
    source: Reading, w: Array, b: Array, geometry: Geometry, y: Array, *, selection: Selection | None = None
) -> Call:
    """Return ``fused_conv.forward`` of these arrays."""
    if source.out is not None and not reads_all(source.z.shape, w.shape, geometry, y.shape):
        first = read(source, source.out)
        second = forward(Reading(source.out), w, b, geometry, y, selection=selection)

        def both() -> None:
            first()
            second()

        return both
    described = as_source(source)
    return functools.partial(_convolution(described, w, b, geometry, y, selection), described)


def forward_of_array(
    x: Array, w: Array, b: Array, geometry: Geometry, y: Array, *, selection: Selection | None = None
) -> Callable[[Array], None]:
    """Likewise, of an array like ``x``: each call takes one, (N, H, W, C), C-contiguous."""
    convolve = _convolution(plain(x), w, b, geometry, y, selection)

    def call(x: Array) -> None:
        convolve(plain(x))

    return call


def read(source: Reading, out: Array) -> Call:
    """Return ``fused_conv.read`` of these arrays."""
    arguments = as_source(source._replace(out=None)), len(out), out.reshape(-1)
    return functools.partial(specialized(_ends.read_all, *arguments), *arguments)


def mean(source: Reading, out: Array) -> Call:
    """Return ``fused_conv.mean`` of these arrays."""
    arguments = as_source(source), len(out), out.reshape(-1)
    return functools.partial(specialized(_ends.mean_all, *arguments), *arguments)


def _convolution(
    source: Any, w: Array, b: Array, geometry: Geometry, y: Array, selection: Selection | None
) -> Callable[[Any], None]:
    """Return the convolution of sources like ``source`` into ``y``."""
    algorithm = algorithm_for(w.shape, geometry, y)
    prepared = algorithm.prepare_forward(source, w, b, *geometry, y, precision=backends.conv.precision)
    bound: Callable[[Any], None] = prepared.bind(source, y, finishing(y, selection))
    return bound
