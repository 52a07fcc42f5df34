"""How tensors print, beside PyTorch where both say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import scratchconv as sc
from scratchconv.autograd._format import describe


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([1.0, 2.5, -3.0]),
        lambda lib: lib.tensor([1.0, 2.0]),
        lambda lib: lib.tensor([[1, 2], [3, 4]]),
        lambda lib: lib.tensor([True, False]),
        lambda lib: lib.tensor(3),
        lambda lib: lib.ones(2, 2, requires_grad=True),
        lambda lib: lib.tensor([[0.12345678, 1.0], [2.0, 3.0]]),
    ],
)
def test_the_same_text_as_pytorch(make: Any) -> None:
    assert repr(make(sc)) == repr(make(torch))


def test_what_numbers_do_not_show_is_added() -> None:
    assert repr(sc.ones(1, dtype=sc.float64)) == "tensor([1.], dtype=float64)"
    assert repr(sc.ones(2, requires_grad=True) * 2) == "tensor([2., 2.], grad_fn=<MulBackward>)"
    assert describe(np.zeros((0, 3), np.float32)) == "tensor([], size=(0, 3), dtype=float32)"


def test_large_tensors_are_shortened() -> None:
    assert len(repr(sc.zeros(100, 100))) < 1000
