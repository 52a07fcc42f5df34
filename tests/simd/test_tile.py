"""Register tiles: the compiled form, the plain-Python form and NumPy agree; see test_vector.py."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.errors import TypingError

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from scratchconv.ops._memory import empty
from tests.simd.test_vector import DTYPES, GUARD, forms

SHAPES = [(6, 2), (5, 1), (1, 3)]  # rows, vecs; programs are compiled once for each and dtype
BASE = 7  # an odd start: no alignment is promised

tiles = pytest.mark.parametrize(("rows", "vecs"), SHAPES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def whole_numbers(seed: int, size: int, dtype: type) -> np.ndarray:
    """Whole numbers from -8 to 8: their products and sums are exact, so every order of operations gives equal bits."""
    return np.random.default_rng(seed).integers(-8, 9, size).astype(dtype)


def scattered(shape: simd.TileShape) -> np.ndarray:
    """Offsets of rows that do not overlap, in no order, after one entry that is not used."""
    rows = np.random.default_rng(shape.rows).permutation(shape.rows)
    return np.concatenate([[99], rows * (shape.width + 2)]).astype(np.int64)


def rows_at(x: np.ndarray, table: np.ndarray, width: int) -> np.ndarray:
    return np.stack([x[BASE + offset :][:width] for offset in table[1:]])


def room(shape: simd.TileShape) -> int:
    """Elements that a tile with scattered rows reaches over, with something to spare."""
    return BASE + (shape.rows + 1) * (shape.width + 2)


@kernel
def copy_tile(shape, x, table, y, partial, n):
    offsets = simd.row_offsets(shape, table, 1)
    simd.tile_store(simd.tile_load(shape, x, BASE, offsets), y, BASE, offsets)
    simd.tile_store_partial(simd.tile_load_partial(shape, x, BASE, offsets, n), partial[0], BASE, offsets, shape.width)
    simd.tile_store_partial(simd.tile_load(shape, x, BASE, offsets), partial[1], BASE, offsets, n)


@tiles
@dtypes
def test_rows_are_loaded_and_stored_where_the_table_says(rows: int, vecs: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype)
    table, width = scattered(shape), shape.width
    x = np.arange(1, room(shape) + 1, dtype=dtype)
    live = {*(BASE + table[1:, None] + np.arange(width)).ravel().tolist()}
    outside = [i for i in range(x.size) if i not in live]
    for program in forms(copy_tile):
        for n in (0, 1, shape.lanes, width - 1, width):
            y, partial = np.full_like(x, GUARD), np.full((2, x.size), GUARD, dtype)
            program(shape, x, table, y, partial, n)
            values, filled = rows_at(x, table, width), np.arange(width) < n
            np.testing.assert_array_equal(rows_at(y, table, width), values)
            np.testing.assert_array_equal(rows_at(partial[0], table, width), np.where(filled, values, 0))
            np.testing.assert_array_equal(rows_at(partial[1], table, width), np.where(filled, values, GUARD))
            for array in (y, partial[0], partial[1]):
                assert np.all(array[outside] == GUARD)


@kernel
def fill_tiles(shape, w, wi, table, y):
    offsets = simd.row_offsets(shape, table, 1)
    simd.tile_store(simd.spread(shape, w, wi), y[0], BASE, offsets)
    simd.tile_store(simd.zeros(shape), y[1], BASE, offsets)


@tiles
@dtypes
def test_spread_puts_a_bias_in_every_row(rows: int, vecs: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype)
    table, w = scattered(shape), np.arange(shape.width + 3, dtype=dtype)
    for program in forms(fill_tiles):
        y = np.full((2, room(shape)), GUARD, dtype)
        program(shape, w, 3, table, y)
        np.testing.assert_array_equal(rows_at(y[0], table, shape.width), [w[3:]] * rows)
        np.testing.assert_array_equal(rows_at(y[1], table, shape.width), np.zeros((rows, shape.width)))


@dtypes
def test_rows_at_one_address_are_stored_in_order(dtype: type) -> None:
    shape = simd.TileShape(6, 2, dtype)
    x, width = np.arange(1, room(shape) + 1, dtype=dtype), shape.width
    table = np.array([0, 1, 2, 3, 3, 3, 3], np.int64)
    for program in forms(copy_tile):
        y, partial = np.full_like(x, GUARD), np.full((2, x.size), GUARD, dtype)
        program(shape, x, table, y, partial, width)
        np.testing.assert_array_equal(y[BASE + 1 : BASE + 3 + width], x[BASE + 1 : BASE + 3 + width])


def test_operands_that_do_not_belong_together_are_refused_by_the_compiler() -> None:
    if not hasattr(copy_tile, "py_func"):
        pytest.skip("plain Python: NumPy decides")
    shape = simd.TileShape(5, 1, np.float32)
    x, y, partial = np.zeros(99, np.float32), np.zeros(99, np.float32), np.zeros((2, 99), np.float32)
    table = np.zeros(12, np.int64)
    for wrong in (
        (shape, x.astype(np.float64), table, y, partial, 1),  # dtype of the shape and of the array
        (shape, x, table.astype(np.int32), y, partial, 1),
        (shape, x, table[::2], y, partial, 1),  # not contiguous
        (shape, x, table, y, partial, 1.0),
    ):
        with pytest.raises(TypingError):
            copy_tile(*wrong)


@kernel
def stream_tile(shape, x, y):
    offsets = simd.grid_offsets(shape, 1, shape.width, 0)
    simd.tile_stream(simd.tile_load(shape, x, 0, offsets), y, 0, offsets)
    simd.settle()


@tiles
@dtypes
def test_streamed_tiles_arrive(rows: int, vecs: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype)
    x = np.arange(rows * shape.width, dtype=dtype)
    for program in forms(stream_tile):
        y = empty((x.size + 1024,), dtype)  # enough of them begin on a cache line
        y[:] = GUARD
        program(shape, x, y)
        np.testing.assert_array_equal(y[: x.size], x)
        assert np.all(y[x.size :] == GUARD)
