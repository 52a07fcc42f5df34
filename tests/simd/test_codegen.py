"""How an operation is registered, and what it becomes."""

from __future__ import annotations

import re
from typing import Any

import numba
import numpy as np
import pytest
from numba import config, types
from numba.core.errors import TypingError

from scratchconv import simd
from scratchconv.simd import _codegen as code
from scratchconv.simd import _cpu
from tests.simd.test_product import one_product

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="about compiled code")


def add_three(i: int) -> int:
    """An operation of this test: plain Python adds 3, compiled code 3 as well, but says so by adding 1000."""
    return i + 3


@code.primitive(add_three, lambda i: types.int64 if code.are_integers(i) else None)
def _(builder: Any, context: Any, sig: Any, i: Any) -> Any:
    return builder.add(code.as_index(builder, i), code.index(1003))


def test_a_primitive_is_the_function_in_python_and_the_generator_in_compiled_code() -> None:
    @numba.njit
    def program(i):
        return add_three(i)

    assert program.py_func(4) == 7
    assert program(4) == 1007
    assert program(np.int32(-4)) == 999  # narrow integers are widened with their sign


def test_a_primitive_refuses_arguments_that_its_typing_refuses() -> None:
    @numba.njit
    def program(i):
        return add_three(i)

    with pytest.raises(TypingError, match="add_three"):
        program(4.0)


def test_products_become_fused_multiply_adds_on_whole_registers() -> None:
    shape = simd.TileShape(1, 3, np.float32)
    arguments = np.zeros(9, np.float32), np.zeros(200, np.float32), np.zeros(1, np.int64), np.zeros(200, np.float32)
    program = numba.njit(one_product.py_func)  # afresh: code from the disk cache cannot be read
    program(shape, *arguments)
    signature = program.signatures[0]
    assert program.inspect_llvm(signature).count(f"call <{shape.lanes} x float> @llvm.fma") >= 3
    if "fma" in _cpu.features():
        assert "vfmadd" in program.inspect_asm(signature)


def test_opaque_keeps_an_offset_out_of_the_optimisers_sight() -> None:
    @numba.njit
    def program(i, hide):
        return simd.opaque(i) - i if hide else i - i

    assert program(5, True) == 0
    assert "asm sideeffect" in program.inspect_llvm(program.signatures[0])


def test_a_function_that_is_kept_apart_is_not_inlined_and_begins_its_stack_on_a_cache_line() -> None:
    @numba.njit
    def program(i):
        simd.keep_apart()
        return i + 1

    assert program(1) == 2
    assert re.search("noinline.* alignstack=64|alignstack=64.* noinline", program.inspect_llvm(program.signatures[0]))
