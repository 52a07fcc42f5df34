"""gradcheck accepts right gradients and catches planted wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import GradcheckError, gradcheck
from tests.autograd.compare import draw


def leaf(*shape: int, seed: int = 0) -> sc.Tensor:
    return sc.Tensor(draw(*shape, dtype=np.float64, seed=seed), requires_grad=True)


class Cube:
    """y = x³; ``fault`` changes the gradient."""

    def __init__(self, fault: Any = lambda dx: dx) -> None:
        self.fault = fault

    def forward(self, x: Any) -> tuple[Any, Any]:
        return x**3, x

    def backward(self, saved: Any, dy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        return (self.fault(dy * 3 * saved**2),)


def spoil(dx: Any) -> Any:
    dx = dx.copy()
    dx.flat[7] += 1e-3
    return dx


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0, 2)])
def test_right_gradients_pass(shape: tuple[int, ...]) -> None:
    assert gradcheck(lambda x: apply(Cube(), x), leaf(*shape))


def test_several_inputs_and_outputs() -> None:
    assert gradcheck(lambda a, b, c: (a * b, (a - c).exp()), [leaf(3, 4), leaf(4), 2.0])


@pytest.mark.parametrize(
    "fault",
    [lambda dx: dx * 1.0001, lambda dx: dx * 0, lambda dx: dx.T.reshape(dx.shape), spoil, lambda dx: dx + 1e-3],
    ids=["scaled", "zero", "permuted", "one element", "shifted"],
)
def test_planted_faults_are_caught(fault: Any) -> None:
    x = leaf(4, 5)
    with pytest.raises(GradcheckError, match=r"input 0 \(shape \(4, 5\)\).*differences say"):
        gradcheck(lambda x: apply(Cube(fault), x), x)
    assert not gradcheck(lambda x: apply(Cube(fault), x), x, raise_exception=False)


def test_the_report_names_the_worst_element() -> None:
    with pytest.raises(GradcheckError, match=r"worst element \(1, 2\)"):
        gradcheck(lambda x: apply(Cube(spoil), x), leaf(3, 5))


def test_a_large_input_is_reported_without_a_search() -> None:
    with pytest.raises(GradcheckError) as error:
        gradcheck(lambda x: apply(Cube(lambda dx: dx * 2), x), leaf(40, 50))
    assert "worst" not in str(error.value)


def test_only_the_wrong_input_is_accused() -> None:
    with pytest.raises(GradcheckError, match="input 1") as error:
        gradcheck(lambda a, b: a + apply(Cube(spoil), b), (leaf(3, 5), leaf(3, 5, seed=1)))
    assert "input 0" not in str(error.value)


def test_a_gradient_that_stops_is_wrong() -> None:
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.detach() * 2 + x * 0, leaf(3))


def test_inputs_keep_their_values_and_gradients() -> None:
    x = leaf(3)
    before = x.tolist()
    gradcheck(lambda x: x * x, x)
    assert x.tolist() == before and x.grad is None


@pytest.mark.parametrize("x", [sc.ones(2, requires_grad=True), sc.ones(2, dtype=sc.float64)])
def test_inputs_must_be_float64_and_require_grad(x: sc.Tensor) -> None:
    with pytest.raises(ValueError, match="float64"):
        gradcheck(lambda x: x * 2, x)
