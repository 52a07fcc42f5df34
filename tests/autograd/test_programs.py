"""Random programs of views, in-place changes and arithmetic: both libraries agree on values, gradients and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchconv as sc
from tests.autograd.compare import draw


def accumulate(lib: Any, t: Any, u: Any, c: float) -> Any:
    t += u if u.shape == t.shape else c
    return t


def write(lib: Any, t: Any, u: Any, c: float) -> Any:
    t[0] = u.sum()
    return t


# Each makes a tensor from two present ones and a number, or changes the first in place and returns it.
STEPS: dict[str, Callable[[Any, Any, Any, float], Any]] = {
    "scale": lambda lib, t, u, c: t * c,
    "add": lambda lib, t, u, c: t + u if t.shape == u.shape else t + c,
    "exp": lambda lib, t, u, c: (t * 0.1).exp(),
    "stop": lambda lib, t, u, c: t.detach() * u.sum(),
    "join": lambda lib, t, u, c: lib.cat([t, t]),
    "flat": lambda lib, t, u, c: t.reshape(-1),
    "first": lambda lib, t, u, c: t[0],
    "rest": lambda lib, t, u, c: t[..., 1:],
    "turn": lambda lib, t, u, c: t.permute(*range(t.ndim)[::-1]) if t.ndim else t.view(1),
    "repeat": lambda lib, t, u, c: t.unsqueeze(0).expand(2, *t.shape),
    "accumulate": accumulate,
    "multiply": lambda lib, t, u, c: t.mul_(c),
    "divide": lambda lib, t, u, c: t.div_(c),
    "rectify": lambda lib, t, u, c: t.relu_(),
    "copy": lambda lib, t, u, c: t.copy_(u if u.shape == t.shape else lib.tensor(c)),
    "write": write,
}
Program = list[tuple[str, int, int, float]]


def run(lib: Any, program: Program) -> tuple[str, Any]:
    """Run a program and the backward pass from all of its results."""
    x, w = (lib.from_numpy(draw(*shape, dtype=np.float64)).requires_grad_() for shape in ((3, 4), (4,)))
    tensors = [x * 1, w]
    try:
        for name, i, j, c in program:
            made = STEPS[name](lib, tensors[i % len(tensors)], tensors[j % len(tensors)], c)
            tensors += [made]
    except (RuntimeError, IndexError) as error:
        return name, error
    loss = sum((t * t).sum() for t in tensors)
    try:
        loss.backward()
    except RuntimeError as error:
        return "backward", error
    return "gradients", [loss.item(), *(None if leaf.grad is None else leaf.grad.tolist() for leaf in (x, w))]


numbers = st.integers(0, 6)


@settings(max_examples=200)  # a program takes about a millisecond
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), numbers, numbers, st.floats(0.5, 1.5)), max_size=9))
def test_random_programs(program: Program) -> None:
    end, result = run(sc, program)
    expected_end, expected = run(torch, program)
    if "expanded tensor" in str(result):
        return  # PyTorch lets one write to a part of an expanded tensor; here it has to be cloned first
    assert end == expected_end
    if end == "gradients":
        for ours, theirs in zip(result, expected, strict=True):
            assert (ours is None) == (theirs is None)
            if theirs is not None:
                # float64: rounding of 1e-16, through at most nine steps that each may grow numbers by some factors
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
