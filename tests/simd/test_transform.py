"""Transforms of register tiles: the compiled form, the plain-Python form and NumPy agree; see test_vector.py."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from llvmlite import ir
from numba import typeof, types
from numba.core.errors import TypingError

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from scratchconv.simd import _transform
from scratchconv.simd._types import VectorType, vector_ir
from tests.simd.test_tile import BASE, dtypes, whole_numbers
from tests.simd.test_vector import GUARD, forms

# The matrices of F(2, 3) and one that has neither pairs nor ones. Entries are whole or powers of two: on whole numbers
# every product and sum is exact, so every order of operations gives equal bits.
SOURCE = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))
KERNEL = ((1, 0, 0), ("1/2", "1/2", "1/2"), ("1/2", "-1/2", "1/2"), (0, 0, 1))
RESULT = ((1, 1, 1, 0), (0, 1, -1, 1))
PLAIN = ((3, -2), (0, 0), ("1/4", 5))
GROUPS = ((0, 2, 0, 1), (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, -1))
PAIRS: dict[str, tuple[tuple[tuple[object, ...], ...], tuple[tuple[object, ...], ...]]] = {
    "square": (SOURCE, SOURCE),
    "taller, mirrored rows": (KERNEL, PLAIN),
    "flatter, mirrored columns": (RESULT, RESULT),
    "groups": (GROUPS, SOURCE),
    "groups on both sides": (GROUPS, GROUPS),
}


@kernel
def apply(t, x, row, column, y, out_row, out_column):
    """y = transform of the grid of vectors in x; both grids begin at BASE."""
    tile = simd.tile_load(t.source, x, BASE, simd.grid_offsets(t.source, t.source_columns, row, column))
    where = simd.grid_offsets(t.result, t.columns, out_row, out_column)
    simd.tile_store(simd.transform(t, tile), y, BASE, where)


@kernel
def apply_grid(t, x, row, column, add, y, out_row, out_column):
    """The same by one operation, which adds the vector in ``add``."""
    simd.transform_grid(t, x, BASE, (row, column), simd.load(add, 0), y, BASE, (out_row, out_column))


def grid(x: np.ndarray, rows: int, columns: int, row: int, column: int, lanes: int) -> np.ndarray:
    """The vectors of a grid that begins at BASE."""
    starts = BASE + np.arange(rows)[:, None] * row + np.arange(columns) * column
    return x[starts[..., None] + np.arange(lanes)]


@dtypes
@pytest.mark.parametrize("name", PAIRS)
def test_multiplies_by_both_matrices_in_every_lane(name: str, dtype: type) -> None:
    left, right = PAIRS[name]
    t = simd.Transform(left, right, dtype)
    lanes = simd.lanes(dtype)
    column, out_column = lanes + 3, lanes + 1
    row, out_row = 6 * column + 1, 6 * out_column + 5
    x = whole_numbers(1, 9 * row, dtype)
    a, b = (np.array([[float(Fraction(entry)) for entry in line] for line in matrix]) for matrix in (left, right))
    wanted = np.einsum("ai,ijl,bj->abl", a, grid(x, t.source_rows, t.source_columns, row, column, lanes), b)
    for program in forms(apply):
        y = np.full(9 * out_row, GUARD, dtype)
        program(t, x, row, column, y, out_row, out_column)
        np.testing.assert_array_equal(grid(y, t.rows, t.columns, out_row, out_column, lanes), wanted)
        assert np.count_nonzero(y != GUARD) <= wanted.size  # nothing between the vectors is touched
    add = whole_numbers(2, lanes, dtype)
    for program in forms(apply_grid):
        y = np.full(9 * out_row, GUARD, dtype)
        program(t, x, row, column, add, y, out_row, out_column)
        np.testing.assert_array_equal(grid(y, t.rows, t.columns, out_row, out_column, lanes), wanted + add)
        assert np.count_nonzero(y != GUARD) <= wanted.size


@kernel
def offsets(shape, columns, row, column, out):
    where = simd.grid_offsets(shape, columns, row, column)
    for r in range(shape.rows):
        out[r] = where[r]


def test_grid_offsets_walk_row_after_row() -> None:
    for program in forms(offsets):
        out = np.zeros(6, np.int64)
        program(simd.TileShape(6, 2, np.float32), 3, 100, 7, out)
        assert out.tolist() == [0, 7, 14, 100, 107, 114]
        program(simd.TileShape(6, 2, np.float32), 1, 9, 1000, out)
        assert out.tolist() == [0, 9, 18, 27, 36, 45]


def test_a_type_for_each_pair_of_matrices_and_dtype() -> None:
    """What is in the name decides which compiled form is found again: in memory and in Numba's files."""
    t = simd.Transform(SOURCE, RESULT, np.float32)
    again = simd.Transform([[Fraction(entry) for entry in row] for row in SOURCE], RESULT, np.float32)
    assert typeof(t) == typeof(again)
    others = [
        simd.Transform(RESULT, SOURCE, np.float32),
        simd.Transform(SOURCE, RESULT, np.float64),
        simd.Transform(SOURCE, [[1, 1, 1, 0], [0, 1, "-1/2", 1]], np.float32),
        simd.Transform([[1, 2, 3]], [[4]], np.float32),
        simd.Transform([[1], [2], [3]], [[4]], np.float32),
    ]
    names = {typeof(other).name for other in (t, *others)}
    assert len(names) == 1 + len(others)
    assert (t.source.rows, t.result.rows) == (4 * 4, 4 * 2)
    assert (t.rows, t.columns, t.source_rows, t.source_columns) == (4, 2, 4, 4)


def test_a_tile_of_another_shape_is_refused_by_the_compiler() -> None:
    if not hasattr(apply, "py_func"):
        pytest.skip("plain Python: NumPy decides")
    t = simd.Transform(SOURCE, SOURCE, np.float64)
    x = np.zeros(999, np.float32)
    with pytest.raises(TypingError):
        apply(t, x, 99, 9, x.copy(), 99, 9)
    with pytest.raises(TypingError):
        apply_grid(t, x, 99, 9, x.copy(), x.copy(), 99, 9)


def fractions(rows: object) -> _transform.Entries:
    return _transform._entries(rows)  # type: ignore[arg-type]


def test_pairs_of_rows_that_mirror_each_other() -> None:
    assert _transform.mirrored_pair(fractions(KERNEL)) == (1, 2)
    assert _transform.mirrored_pair(fractions(SOURCE)) == (1, 2)
    assert _transform.mirrored_pair(fractions(PLAIN)) is None
    assert _transform.mirrored_pair(fractions([[1, 2], [1, 2]])) is None  # equal: nothing is saved
    assert _transform.mirrored_pair(fractions([[1, 2], [-1, -2]])) is None  # opposed: likewise
    common, opposed = _transform.split_pair(fractions(KERNEL), 1, 2)[1:3]
    assert [a + b for a, b in zip(common, opposed, strict=True)] == list(fractions(KERNEL)[1])
    assert [a - b for a, b in zip(common, opposed, strict=True)] == list(fractions(KERNEL)[2])


def test_groups_share_no_column() -> None:
    assert _transform.groups(fractions(GROUPS)) == [([1], []), ([2], [0]), ([0, 3], [1, 3])]
    assert _transform.groups(fractions(SOURCE)) == [([0, 1, 2, 3], [0, 1, 2, 3])]
    assert _transform.part_of(fractions(GROUPS), [0, 3], [1, 3]) == fractions([[2, 1], [1, -1]])


def instructions(matrix: object) -> dict[str, int]:
    """How many additions and multiplications of each kind the compiled product with ``matrix`` has."""
    kind = VectorType(types.float32)
    module = ir.Module()
    vector = vector_ir(kind)
    entries = fractions(matrix)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [vector] * len(entries[0])), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    _transform.apply(builder, kind, entries, list(function.args))
    names = [instruction.opname for instruction in builder.block.instructions]
    return {name: names.count(name) for name in ("fadd", "fsub", "fmul", "call")}


def test_mirrored_pairs_save_arithmetic() -> None:
    """F(2, 3): the transform of patches takes four additions or subtractions a column, that of results four."""
    assert instructions(SOURCE) == {"fadd": 1, "fsub": 3, "fmul": 0, "call": 0}
    assert instructions(RESULT) == {"fadd": 3, "fsub": 1, "fmul": 0, "call": 0}
    assert instructions(PLAIN) == {"fadd": 0, "fsub": 0, "fmul": 2, "call": 2}
