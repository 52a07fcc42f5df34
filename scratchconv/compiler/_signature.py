"""When a plan still fits its model: all that decides how a module computes, as a value to compare.

Tensors count by identity, dtype and shape, not by their numbers, which a plan reads anew in every call. Other objects
count by identity; what is behind them (a list inside of an object of one's own) is not looked at.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from scratchconv import nn
from scratchconv.autograd import Tensor

BY_VALUE = frozenset((bool, int, float, str, type(None)))
TABLES = frozenset(("_parameters", "_buffers", "_modules", "_transient", "_forward_hooks", "_forward_pre_hooks"))


def signature(module: nn.Module) -> Hashable:
    """Return what decides how ``module`` itself computes: its settings, its children, and which tensors it holds."""
    state = module.__dict__
    settings = [value if type(value) in BY_VALUE else _of(value) for name, value in state.items() if name not in TABLES]
    children = [id(child) for child in state["_modules"].values()]
    parameters = [_of(tensor) for tensor in state["_parameters"].values()]
    buffers = [(_of(buffer), None if buffer is None else id(buffer.data)) for buffer in state["_buffers"].values()]
    return id(module), tuple(settings), tuple(children), tuple(parameters), tuple(buffers)


def held(modules: list[nn.Module]) -> list[Any]:
    """Return all that the signatures name by ``id``; while it is kept, no other object can have these ids."""
    kept: list[Any] = [*modules]
    for module in modules:
        for value in module.__dict__.values():
            kept += _leaves(value)
        kept += [buffer.data for buffer in module._buffers.values() if buffer is not None]
    return kept


def _of(value: Any) -> Hashable:
    """Return a comparable stand-in for the value of an attribute."""
    if type(value) in BY_VALUE:
        return type(value), value
    if isinstance(value, Tensor):
        return id(value), value._requires_grad, value.data.shape, value.data.dtype.char
    if isinstance(value, (list, tuple)):
        return type(value), *[_of(item) for item in value]
    if isinstance(value, dict):
        return dict, *[(_of(key), _of(item)) for key, item in value.items()]
    return id(value)


def _leaves(value: Any) -> list[Any]:
    """Return ``value``, or what is inside of lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    if isinstance(value, dict):
        return [leaf for pair in value.items() for leaf in _leaves(pair)]
    return [value]
