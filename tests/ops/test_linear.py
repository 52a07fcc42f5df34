"""The linear layer against PyTorch: any leading axes, any memory order, with and without bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.kernels import _tape, _threads
from scratchconv.kernels._tape import Tape
from scratchconv.ops import linear as op
from tests.array_strategies import DTYPES, arrays
from tests.ops.comparing import check

# Sums of at most 5 * 5 * 5 products of size up to 4, in different orders.
TOLERANCE = {np.float32: 5e-6, np.float64: 1e-14}
sizes = st.integers(0, 9)


@given(
    st.data(),
    array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    sizes,
    sizes,
    st.booleans(),
    st.sampled_from(DTYPES),
)
def test_equals_pytorch(data: Any, leading: tuple[int, ...], c: int, f: int, bias: bool, dtype: type) -> None:
    inputs = [data.draw(arrays(shape, dtype)) for shape in ((*leading, c), (f, c), (f,))]
    check(op, torch.nn.functional.linear, *inputs[: 2 + bias], tolerance=TOLERANCE[dtype])


def test_float32_is_as_exact_as_pytorch() -> None:
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype(np.float32) for shape in ((100, 1568), (10, 1568), (10,)))
    truth = x.astype(np.float64) @ w.astype(np.float64).T + b
    ours = op.forward(x, w, b)[0]
    theirs = torch.nn.functional.linear(*map(torch.tensor, (x, w, b))).numpy()
    errors = [np.sqrt(np.mean((y - truth) ** 2)) for y in (ours, theirs)]
    assert errors[0] < 2 * errors[1]  # both sum in blocks; PyTorch's are shorter on machines with wider vectors


@pytest.mark.parametrize("filters", [10, 40])
@pytest.mark.parametrize("order", ["C", "F"])
def test_taken_down_it_computes_from_other_numbers(order: Any, filters: int) -> None:
    rng = np.random.default_rng(0)
    given = [rng.normal(size=shape).copy(order) for shape in ((5, 33), (filters, 33), (filters,), (5, filters))]
    x, w, b, dy = given

    def call() -> list[Any]:
        y, saved = op.forward(x, w, b)
        return [y, *op.backward(saved, dy, (True, True, True))]

    with _tape.recording(Tape()) as tape:
        found = call()
    for array in given:
        array[...] = rng.normal(size=array.shape)
    _threads.enter()
    tape.replay()
    assert all(map(np.array_equal, found, call()))


def test_gradients_against_differences() -> None:
    rng = np.random.default_rng(0)
    inputs = [sc.from_numpy(rng.normal(size=shape)).requires_grad_() for shape in ((3, 2, 5), (4, 5), (4,))]
    assert gradcheck(lambda *xs: apply(op, *xs), inputs)


def test_errors() -> None:
    x, w = np.zeros((2, 3)), np.zeros((4, 3))
    for arguments in ((x, w.T), (x, w[0]), (np.zeros(()), w), (x, w, np.zeros(3)), (x, w, np.zeros((4, 1)))):
        with pytest.raises(RuntimeError, match=r"linear needs x \(..., C\), w \(F, C\) and b \(F,\) or None, got x"):
            op.forward(*arguments)
    with pytest.raises(RuntimeError, match="share one dtype"):
        op.forward(x, w.astype(np.float32))
