from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import optim
from scratchconv.autograd import Tensor
from scratchconv.nn import Parameter
from tests.optim.twins import parameters, ten_steps

settings = st.fixed_dictionaries(
    {
        "lr": st.floats(1e-4, 1.0),
        "betas": st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.9, 0.999])),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": st.sampled_from([0.0, 0.1]),
    }
)


@given(settings=settings)
def test_ten_steps_equal_torchs(settings: dict) -> None:
    params = parameters()
    ten_steps(optim.Adam(params[0], **settings), torch.optim.Adam(params[1], **settings), params)


def test_the_first_step_moves_by_lr_against_the_sign() -> None:
    p = Parameter(np.array([1.0, 1.0, 1.0]))
    p.grad = Tensor(np.array([1e-3, -5.0, 100.0]))
    optim.Adam([p], lr=0.25, eps=0.0).step()
    np.testing.assert_allclose(p.data, [0.75, 1.25, 0.75], rtol=1e-12)  # m̂/√v̂ = ±1 up to a few roundings


def test_defaults_are_torchs() -> None:
    ours, theirs = parameters()
    ten_steps(optim.Adam(ours), torch.optim.Adam(theirs), (ours, theirs))


@pytest.mark.parametrize("lib", ["ours", "torch"])
@pytest.mark.parametrize(
    "settings", [{"lr": -1.0}, {"eps": -1.0}, {"weight_decay": -1.0}, {"betas": (1.0, 0.9)}, {"betas": (0.9, -0.1)}]
)
def test_refuses_what_torch_refuses(lib: str, settings: dict) -> None:
    ours, theirs = parameters()
    make, params = (optim.Adam, ours) if lib == "ours" else (torch.optim.Adam, theirs)
    with pytest.raises(ValueError):
        make(params, **settings)
