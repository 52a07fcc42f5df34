"""Parity cases of elementwise operations, reductions and optimizer updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_ref.parity.case import Case, Maker, away_from_zero, normal, positive

_SHAPE = (3, 17, 5, 7)


def _unary(op: str, name: str, fn: Callable[[Any], Any], x: Maker) -> Case:
    return Case(op, name, lambda lib, t: fn(t), {"x": x})


def _binary(op: str, name: str, fn: Callable[[Any, Any], Any], a: Maker, b: Maker) -> Case:
    return Case(op, name, lambda lib, s, t: fn(s, t), {"a": a, "b": b})


_ELEMENTWISE = (
    Case("relu", "4-D", lambda lib, x: lib.nn.functional.relu(x), {"x": normal(*_SHAPE)}),
    _binary("elementwise", "a + b", lambda a, b: a + b, normal(*_SHAPE), normal(*_SHAPE)),
    _binary("elementwise", "a - b", lambda a, b: a - b, normal(*_SHAPE), normal(*_SHAPE)),
    _binary("elementwise", "a * b", lambda a, b: a * b, normal(*_SHAPE), normal(*_SHAPE)),
    _unary("elementwise", "-x", lambda x: -x, normal(*_SHAPE)),
    _unary("elementwise", "abs(x)", lambda x: x.abs(), normal(*_SHAPE)),
    _unary("exp, log, sqrt", "exp(x)", lambda x: x.exp(), normal(*_SHAPE)),
    _unary("exp, log, sqrt", "log(x)", lambda x: x.log(), positive(*_SHAPE)),
    _unary("exp, log, sqrt", "sqrt(x)", lambda x: x.sqrt(), positive(*_SHAPE)),
    _unary("exp, log, sqrt", "x ** 3", lambda x: x**3, normal(*_SHAPE)),
    _binary("exp, log, sqrt", "a / b", lambda a, b: a / b, normal(*_SHAPE), away_from_zero(*_SHAPE)),
    _binary("broadcast", "(N,C,H,W) + (C,1,1)", lambda a, b: a + b, normal(*_SHAPE), normal(17, 1, 1)),
    _binary("broadcast", "(N,1) * (M,)", lambda a, b: a * b, normal(40, 1), normal(33)),
    _binary("broadcast", "(N,M) / (N,1)", lambda a, b: a / b, normal(40, 33), away_from_zero(40, 1)),
)

_REDUCTIONS = (
    _unary("reductions", "sum of all", lambda x: x.sum(), normal(40, 333, offset=0.5)),
    _unary("reductions", "sum over dim 0", lambda x: x.sum(dim=0), normal(40, 333)),
    _unary("reductions", "sum over the last dim", lambda x: x.sum(dim=-1), normal(40, 333)),
    _unary("reductions", "mean over (0,2,3)", lambda x: x.mean(dim=(0, 2, 3)), normal(8, 17, 9, 9, offset=0.5)),
    _unary("reductions", "mean, keepdim", lambda x: x.mean(dim=1, keepdim=True), normal(40, 33, offset=0.5)),
    _unary("reductions", "var over dim 1", lambda x: x.var(dim=1), normal(40, 333)),
    _unary("reductions", "max over dim 1", lambda x: x.max(dim=1)[0], normal(40, 333)),
)


def _optimizer_case(op: str, geometry: str, **params: Any) -> Case:
    """Three updates of one parameter with given gradients."""

    def updates(lib: Any, p: Any, *gradients: Any) -> Any:
        optimizer = getattr(lib.optim, op)([p], **params)
        for gradient in gradients:
            p.grad = gradient
            optimizer.step()
        return p.detach()

    inputs = {"p": normal(33, 31)} | {f"g{step}": normal(33, 31) for step in range(3)}
    return Case(op, geometry, updates, inputs, frozen=frozenset({"g0", "g1", "g2"}))


_OPTIMIZERS = (
    _optimizer_case("SGD", "plain", lr=0.1),
    _optimizer_case("SGD", "momentum and weight decay", lr=0.1, momentum=0.9, weight_decay=0.01),
    _optimizer_case("SGD", "Nesterov", lr=0.1, momentum=0.9, nesterov=True),
    _optimizer_case("SGD", "dampening", lr=0.1, momentum=0.9, dampening=0.5),
    _optimizer_case("Adam", "defaults", lr=0.001),
    _optimizer_case("Adam", "large steps, weight decay", lr=0.1, betas=(0.8, 0.9), weight_decay=0.01),
)

ARITHMETIC_CASES: tuple[Case, ...] = (*_ELEMENTWISE, *_REDUCTIONS, *_OPTIMIZERS)
