"""Reading and writing parts, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error

SHAPE = (4, 3, 5)


@st.composite
def indices(draw_: Any) -> tuple[Any, ...]:
    """An index for SHAPE: per axis a slice, an integer, an integer array or a mask; None and ... in between."""
    length = draw_(st.integers(1, 3))
    items: list[Any] = []
    for size in SHAPE:
        choices = [
            st.integers(-size, size - 1),
            st.builds(slice, st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 3)),
            st.lists(st.integers(-size, size - 1), min_size=length, max_size=length).map(np.array),
            st.just(np.arange(size) < length),
        ]
        items.append(draw_(st.one_of(choices)))
    head = draw_(st.integers(0, 3))
    items = [*items[:head], ..., *items[draw_(st.integers(head, 3)) :]] if draw_(st.booleans()) else items[:head]
    if draw_(st.booleans()):
        items.insert(draw_(st.integers(0, len(items))), None)
    return tuple(items)


def on(lib: Any, index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index with tensors of ``lib`` in place of arrays."""
    return tuple(lib.from_numpy(item) if isinstance(item, np.ndarray) else item for item in index)


@given(indices())
def test_reading(index: tuple[Any, ...]) -> None:
    same(lambda lib, x: x[on(lib, index)] * 2, draw(*SHAPE))


@given(indices())
def test_writing(index: tuple[Any, ...]) -> None:
    part = tuple(torch.zeros(SHAPE)[on(torch, index)].shape)
    if any(isinstance(item, np.ndarray) and item.dtype.kind == "i" for item in index):
        index = tuple(
            np.unique(item % 3)[:1].repeat(1) if isinstance(item, np.ndarray) and item.dtype.kind == "i" else item
            for item in index
        )  # an element written twice keeps either value: write each once
        part = tuple(torch.zeros(SHAPE)[on(torch, index)].shape)

    def write(lib: Any, x: Any, value: Any) -> Any:
        y = x * 2
        y[on(lib, index)] = value
        return y * y

    same(write, draw(*SHAPE), draw(*part))
    same(write, draw(*SHAPE), draw(*(1 for _ in part)))
    same(lambda lib, x: write(lib, x, 3.0), draw(*SHAPE))


def test_repeated_elements_add_their_gradients() -> None:
    x = sc.zeros(3, requires_grad=True)
    x[[0, 0, 2]].backward(np.array([1.0, 10.0, 100.0]))
    assert x.grad is not None and x.grad.tolist() == [11, 0, 100]


def test_lists_and_tensors_and_numbers_as_indices() -> None:
    same(lambda lib, x: x[[0, 2]], draw(3, 2))
    same(lambda lib, x: x[lib.tensor([[0, 2], [1, 1]])], draw(3, 2))
    same(lambda lib, x: x[lib.tensor(1)], draw(3, 2))
    same(lambda lib, x: x[x > 0] * 2, draw(3, 2))
    same(lambda lib, x: x[[]], draw(3, 2))
    same(lambda lib, x: x[np.int64(1)], draw(3, 2))
    same(lambda lib, x: x[lib.arange(2), lib.tensor([1, 0])], draw(2, 3))


def test_an_integer_beside_index_arrays_is_taken_out_first_as_in_pytorch() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert x[0, :, [1, 2]].shape == (2, 3)  # NumPy's rule
    assert sc.from_numpy(x)[0, :, [1, 2]].shape == (3, 2)
    assert torch.from_numpy(x)[0, :, [1, 2]].shape == (3, 2)


def test_iteration_and_length() -> None:
    same(lambda lib, x: list(x)[1] * 2, draw(3, 2))
    assert len(sc.zeros(3, 2)) == 3


def test_writing_without_gradients_casts() -> None:
    x = sc.zeros(4, dtype=sc.int64)
    x[1:3] = sc.tensor([1.7, 2.7])
    x[0] = 9
    assert x.tolist() == [9, 1, 2, 0]


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x[5],
        lambda lib, x: x[0, 0, 0],
        lambda lib, x: x[::-1],
        lambda lib, x: x[1.0],
        lambda lib, x: x["a"],
        lambda lib, x: x[lib.tensor([7])],
        lambda lib, x: x[lib.tensor([True, False])],
        lambda lib, x: x[0, 0][0],
        lambda lib, x: len(x[0, 0]),
        lambda lib, x: list(x[0, 0]),
        lambda lib, x: x.detach().__setitem__(0, lib.ones(7)),
        lambda lib, x: x.detach().__setitem__(9, 1.0),
        lambda lib, x: x.__setitem__(0, 1.0),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3, 2))
