"""A tile's shape as a typed argument."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba import config

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from scratchconv.simd._types import TileShapeType

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled under NUMBA_DISABLE_JIT")


@kernel
def attributes(shape):
    return (((shape.rows * 100 + shape.vecs) * 100 + shape.lanes) * 1000 + shape.width) * 10 + shape.taps


def test_attributes_are_those_of_the_shape() -> None:
    for rows, vecs, dtype, taps in ((6, 2, np.float32, 1), (3, 1, np.float64, 5)):
        shape = simd.TileShape(rows, vecs, dtype, taps)
        lanes = simd.vector_bytes() // np.dtype(dtype).itemsize
        assert (shape.rows, shape.vecs, shape.lanes, shape.width, shape.taps) == (rows, vecs, lanes, vecs * lanes, taps)
        assert attributes(shape) == (((rows * 100 + vecs) * 100 + lanes) * 1000 + vecs * lanes) * 10 + taps


@compiled_only
def test_attributes_are_constants_of_the_machine_code() -> None:
    shape = simd.TileShape(6, 2, np.float32)
    program = numba.njit(attributes.py_func)  # afresh: code from the disk cache cannot be read
    number = program(shape)
    # The optimised function computes nothing: it stores the result as a literal number.
    assert f"store i64 {number}," in program.inspect_llvm(program.signatures[0])


@compiled_only
def test_equal_shapes_share_one_compilation_and_unequal_ones_do_not() -> None:
    @numba.njit
    def rows(shape):
        return shape.rows

    assert [rows(simd.TileShape(4, 1, np.float32)) for _ in range(3)] == [4, 4, 4]
    assert len(rows.signatures) == 1
    for shape in (simd.TileShape(5, 1, np.float32), simd.TileShape(4, 1, np.float64), simd.TileShape(4, 2, np.float32)):
        assert rows(shape) == shape.rows
    assert len(rows.signatures) == 4


def test_types_are_equal_exactly_when_their_shapes_are() -> None:
    def kind(*shape: object) -> TileShapeType:
        return simd.TileShape(*shape)._numba_type_

    assert kind(6, 2, np.float32) == kind(6, 2, "float32")
    assert hash(kind(6, 2, np.float32)) == hash(kind(6, 2, "float32"))
    others = [kind(7, 2, np.float32), kind(6, 1, np.float32), kind(6, 2, np.float64), kind(6, 2, np.float32, 3)]
    assert len({kind(6, 2, np.float32), *others}) == 5


def test_a_shape_shows_what_it_is() -> None:
    assert repr(simd.TileShape(6, 2, np.float32, 3)) == "TileShape(6, 2, float32, taps=3)"
