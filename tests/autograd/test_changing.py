"""In-place changes against PyTorch: values, gradients, what is refused and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error


def iadd(x: Any, other: Any) -> Any:
    x += other
    return x


def isub(x: Any, other: Any) -> Any:
    x -= other
    return x


def imul(x: Any, other: Any) -> Any:
    x *= other
    return x


def idiv(x: Any, other: Any) -> Any:
    x /= other
    return x


CHANGES = [
    iadd,
    isub,
    imul,
    idiv,
    lambda x, other: x.add_(other),
    lambda x, other: x.add_(other, alpha=2),
    lambda x, other: x.sub_(other, alpha=3),
    lambda x, other: x.mul_(other),
    lambda x, other: x.div_(other),
    lambda x, other: x.copy_(other),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("other", [draw(3, 4, seed=1), draw(4), draw(3, 1), draw(), 2.5, draw(4, dtype=np.float64)])
def test_a_changed_result_carries_the_gradients_on(change: Any, other: Any) -> None:
    def expression(lib: Any, x: Any, other: Any) -> Any:
        y = change(x * 2, lib.tensor(other) if isinstance(other, float) else other)
        return y.exp()

    same(expression, draw(3, 4), other)


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_constants(value: float) -> None:
    same(lambda lib, x: (x * 2).fill_(value) * 3, draw(3, 4))
    same(lambda lib, x: (x * 2).zero_() * 3, draw(3, 4))


def test_relu_keeps_its_result() -> None:
    same(lambda lib, x: (x * 2).relu_() * 3, draw(3, 4))
    same_error(lambda lib, x: (lambda y: (y.relu_(), y.mul_(2), y.sum().backward()))(x * 1), draw(3))


def test_the_same_object_comes_back_and_its_memory_changes() -> None:
    x = sc.ones(3)
    memory = x.data
    y = iadd(x, 1)
    assert y is x and x.data is memory and memory.tolist() == [2, 2, 2]


def test_residual_connection_of_the_article() -> None:
    """``out += residual``, then ReLU: both branches receive the gradient."""

    def block(lib: Any, x: Any) -> Any:
        out = x * 3
        out += x
        return out.relu()

    same(block, draw(2, 3, 4, 4))


# What an operation saved must not be overwritten.


@pytest.mark.parametrize(
    "overwrite",
    [
        lambda y: y.add_(1),
        lambda y: y.detach().zero_(),
        lambda y: y[0].fill_(2.0),
        lambda y: y.view(-1).mul_(2.0),
        lambda y: y.__setitem__(0, 5.0),
    ],
)
def test_overwriting_a_saved_array_is_an_error_in_the_backward_pass(overwrite: Any) -> None:
    def expression(lib: Any, x: Any) -> None:
        y = x * 2
        z = y * y
        overwrite(y)
        z.sum().backward()

    same_error(expression, draw(2, 3))


def test_the_error_names_operation_shape_and_versions() -> None:
    x = sc.ones(2, 3, requires_grad=True)
    y = x * 2
    z = y.exp()
    w = z * y
    y.add_(1).add_(1)
    with pytest.raises(RuntimeError, match=r"MulBackward.*\(2, 3\).*version 2.*version 0"):
        w.backward(np.ones((2, 3)))


def test_an_input_without_gradient_is_watched_too() -> None:
    def expression(lib: Any, w: Any, x: Any) -> None:
        x = x.detach()
        y = w * x
        x.zero_()
        y.sum().backward()

    same_error(expression, draw(3), draw(3, seed=1))


def test_an_array_that_nobody_saved_may_change() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 2
        z = y + 1
        y.zero_()
        return z

    same(expression, draw(3))


@pytest.mark.parametrize(
    "before",
    [
        lambda lib, y: y * 2,
        lambda lib, y: y / 2,
        lambda lib, y: y @ lib.ones(3, 2),
        lambda lib, y: (y * 1).mul_(2),
        lambda lib, y: (y * 1)[0].mul_(2),
    ],
)
def test_an_operand_that_no_gradient_is_made_of_may_change(before: Any) -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 1
        z = before(lib, y)
        y.zero_()
        return z

    same(expression, draw(2, 3))


@pytest.mark.parametrize("operation", [lambda y: y * 2, lambda y: y / 2, lambda y: y**2, lambda y: y**3, lambda y: -y])
def test_a_result_that_no_gradient_is_made_of_may_change(operation: Any) -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = operation(x)
        y += 1
        return y

    same(expression, draw(2, 3))


def test_changing_one_part_of_shared_memory_does_not_accuse_another_tensor() -> None:
    x = sc.ones(3, requires_grad=True)
    other = sc.ones(3)
    y = x * sc.ones(3)
    z = y * other
    sc.ones(3).add_(1)
    z.sum().backward()
    assert x.grad is not None


def test_leaves_that_require_grad_change_only_under_no_grad() -> None:
    same_error(lambda lib, x: x.add_(1), draw(3))
    same_error(lambda lib, x: iadd(x, 1), draw(3))
    same_error(lambda lib, x: x[0].add_(1), draw(3))
    same_error(lambda lib, x: x.view(-1).zero_(), draw(3))

    def step(lib: Any, x: Any) -> Any:
        with lib.no_grad():
            x -= 0.5
        return x * x

    same(step, draw(3))


def test_a_parameter_changed_between_forward_and_backward_is_an_error() -> None:
    def expression(lib: Any, w: Any) -> None:
        y = w * w
        with lib.no_grad():
            w.add_(1)
        y.sum().backward()

    same_error(expression, draw(3))


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: (x * 1).add_(lib.ones(2, 3)),
        lambda lib, x: (x * 1).add_(lib.ones(4)),
        lambda lib, x: (x * 1).copy_(lib.ones(4)),
        lambda lib, x: lib.tensor([1, 2]).add_(1.5),
        lambda lib, x: lib.tensor([1, 2]).div_(2),
        lambda lib, x: (x * 1).expand(4, 3).add_(1),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3))


def test_integers_change_in_place() -> None:
    same(lambda lib, x: iadd(imul(x * 1, 3), 4), np.array([1, 2, 3]))
    same(lambda lib, x: iadd(x * 1, lib.tensor(4.0)).sum(), draw(3))


def test_a_read_only_array_is_not_changed() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        sc.from_numpy(array).add_(1)
