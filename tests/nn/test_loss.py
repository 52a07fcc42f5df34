from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import assert_same_numbers


@given(
    settings=st.fixed_dictionaries(
        {
            "ignore_index": st.sampled_from([-100, 2]),
            "reduction": st.sampled_from(["mean", "sum", "none"]),
            "label_smoothing": st.sampled_from([0.0, 0.2]),
        }
    ),
    weighted=st.booleans(),
)
def test_equals_torch(settings: dict, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    x, target, weight = rng.standard_normal((6, 4)), rng.integers(0, 4, 6), rng.uniform(0.5, 2, 4)
    our_x, their_x = Tensor(x.copy(), requires_grad=True), torch.tensor(x, requires_grad=True)
    ours = nn.CrossEntropyLoss(Tensor(weight) if weighted else None, **settings)
    theirs = torch.nn.CrossEntropyLoss(torch.from_numpy(weight) if weighted else None, **settings)
    our_loss, their_loss = ours(our_x, Tensor(target)), theirs(their_x, torch.from_numpy(target))
    assert_same_numbers(our_loss, their_loss, "loss")
    our_loss.sum().backward()
    their_loss.sum().backward()
    assert_same_numbers(our_x.grad, their_x.grad, "gradient")
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_hand_computed() -> None:
    # Two equal logits of three, the third out of reach: −log(1/2) for a sample of class 0.
    loss = nn.CrossEntropyLoss()(Tensor(np.array([[5.0, 5.0, -1e4]])), Tensor(np.array([0])))
    np.testing.assert_allclose(loss.item(), np.log(2), rtol=1e-15)  # one exp, one log: an ulp or two
