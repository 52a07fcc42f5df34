"""The same parameters and gradients for an optimizer of ours and PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scratchconv.autograd import Tensor
from scratchconv.nn import Parameter

Array = npt.NDArray[Any]

# In float64 each step rounds a handful of operations at 1e-16 relative; ten steps, and Adam's division by √v, leave
# errors below 1e-13. Anything else (a missing bias correction, another order of decay) shows at 1e-3 and above.
RTOL = 1e-12

SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]


def parameters(seed: int = 0) -> tuple[list[Parameter], list[torch.nn.Parameter]]:
    """Equal parameters in both libraries; the 4-D one lies in memory as the convolution's weights do."""
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.standard_normal(shape)) for shape in SHAPES]
    ours = [Parameter(array.copy()) for array in arrays]
    ours[2] = Parameter(np.ascontiguousarray(arrays[2].transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1))
    return ours, [torch.nn.Parameter(torch.from_numpy(array)) for array in arrays]


def set_gradients(ours: list[Parameter], theirs: list[torch.nn.Parameter], rng: np.random.Generator) -> None:
    """Give both the same random gradients; about one in five parameters gets none."""
    for a, b in zip(ours, theirs, strict=True):
        if rng.random() < 0.2:
            a.grad, b.grad = None, None
            continue
        gradient = np.asarray(rng.standard_normal(a.shape))
        a.grad, b.grad = Tensor(np.zeros_like(a.data)), torch.from_numpy(gradient)
        a.grad.data[...] = gradient


def assert_equal_parameters(ours: list[Parameter], theirs: list[torch.nn.Parameter]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=RTOL, atol=RTOL)


def ten_steps(ours: Any, theirs: Any, params: tuple[list[Parameter], list[torch.nn.Parameter]]) -> None:
    """Take ten steps with equal random gradients and compare the parameters after each."""
    rng = np.random.default_rng(1)
    for _ in range(10):
        set_gradients(*params, rng)
        ours.step()
        theirs.step()
        assert_equal_parameters(*params)
