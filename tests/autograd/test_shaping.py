"""Rearranging methods against PyTorch, values and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error


@st.composite
def reshapes(draw_: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape and another one for the same elements, perhaps with a -1."""
    factors = draw_(st.lists(st.sampled_from([1, 2, 3]), min_size=0, max_size=5))

    def grouped() -> list[int]:
        order = draw_(st.permutations(factors))
        shape = [1] * draw_(st.integers(1, 4))
        for factor in order:
            shape[draw_(st.integers(0, len(shape) - 1))] *= factor
        return shape

    new = grouped()
    if draw_(st.booleans()):
        new[draw_(st.integers(0, len(new) - 1))] = -1
    return tuple(grouped()), tuple(new)


@given(reshapes())
def test_view(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = shapes
    same(lambda lib, x: x.view(*new), draw(*old))
    same(lambda lib, x: x.reshape(new), draw(*old))


@given(st.permutations(range(4)), st.integers(-4, 3), st.integers(-4, 3))
def test_permute_transpose_flatten(order: list[int], a: int, b: int) -> None:
    x = draw(2, 3, 1, 4)
    same(lambda lib, x: x.permute(*order) * 2, x)
    same(lambda lib, x: x.transpose(a, b) * 2, x)
    if a % 4 <= b % 4:
        same(lambda lib, x: x.flatten(a, b) * 2, x)
    else:
        same_error(lambda lib, x: x.flatten(a, b), x)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 3, 1), (0, 1), (2, 3)])
def test_squeeze_unsqueeze(shape: tuple[int, ...]) -> None:
    same(lambda lib, x: x.squeeze(), draw(*shape))
    for dim in range(-len(shape), len(shape)):
        same(lambda lib, x, dim=dim: x.squeeze(dim), draw(*shape))
    for dim in range(-len(shape) - 1, len(shape) + 1):
        same(lambda lib, x, dim=dim: x.unsqueeze(dim), draw(*shape))


@pytest.mark.parametrize("shape", [(4, 3), (4, -1), (2, 4, 3), (5, -1, -1)])
def test_expand(shape: tuple[int, ...]) -> None:
    same(lambda lib, x: x.expand(*shape) * 2, draw(1, 3))
    same(lambda lib, x: x.expand(shape) * 2, draw(1, 3))


def test_transposes_of_matrices() -> None:
    same(lambda lib, x: x.T * 1, draw(2, 3))
    same(lambda lib, x: x.t() * 1, draw(2, 3))
    same(lambda lib, x: x.t() * 1, draw(3))


def test_flatten_of_a_number() -> None:
    same(lambda lib, x: x.flatten(), draw())


def test_channels_last_memory_can_be_viewed_where_row_major_memory_can() -> None:
    """The article's ``out.view(out.size(0), -1)``: elements in the order of (C, H, W), whatever their memory."""
    memory = draw(2, 4, 5, 3)
    x = sc.from_numpy(memory.transpose(0, 3, 1, 2)).requires_grad_()
    y = x.view(x.size(0), -1)
    np.testing.assert_array_equal(y.data, np.ascontiguousarray(x.data).reshape(2, -1))
    y.backward(np.arange(120, dtype=np.float32).reshape(2, 60))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, np.arange(120).reshape(2, 3, 4, 5))
    assert x.grad.data.strides == x.data.strides  # optimizers see both as the same flat memory


def test_views_share_memory_and_copies_do_not() -> None:
    x = sc.zeros(2, 3)
    for view in (x.view(6), x.t(), x.unsqueeze(0), x.expand(4, 2, 3), x[1], x.detach()):
        assert np.shares_memory(view.data, x.data)
    assert not np.shares_memory(x.t().reshape(6).data, x.data)


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x.view(5),
        lambda lib, x: x.view(-1, -1),
        lambda lib, x: x.view(4, -1),
        lambda lib, x: x.view(-2, 3),
        lambda lib, x: x.permute(0),
        lambda lib, x: x.permute(0, 0),
        lambda lib, x: x.permute(0, 2),
        lambda lib, x: x.transpose(0, 2),
        lambda lib, x: x.flatten(2),
        lambda lib, x: x.squeeze(2),
        lambda lib, x: x.unsqueeze(-4),
        lambda lib, x: x.expand(2, 4),
        lambda lib, x: x.expand(3),
        lambda lib, x: x.expand(-1, 2, 3),
        lambda lib, x: x.unsqueeze(0).t(),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(2, 3))


def test_an_error_names_the_shapes() -> None:
    with pytest.raises(RuntimeError, match=r"\(7, -1\).*\(2, 3\)"):
        sc.zeros(2, 3).view(7, -1)


def test_math_prod_of_sizes_is_kept() -> None:
    x = sc.zeros(2, 0, 3)
    assert x.view(0, 5).shape == (0, 5)
    assert math.prod(x.flatten().shape) == 0
