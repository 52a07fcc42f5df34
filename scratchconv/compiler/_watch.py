"""Whether a call is like the last one, found out quickly; ``_signature`` says what "like" means.

A signature is a value made of a whole model, which takes as long as some convolutions. Here the model's objects are
compared with those of the last call instead: all that modules hold, in one list, and the arrays behind tensors. If one
of them is another object, the signature decides.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from scratchconv import nn
from scratchconv.autograd import Tensor
from scratchconv.compiler._signature import BY_VALUE, TABLES

_data, _wants_grad = operator.attrgetter("data"), operator.attrgetter("_requires_grad")


class Watch:
    """Remembers what ``modules`` hold, and the ``tensors`` beside them that a plan reads."""

    def __init__(self, modules: Sequence[nn.Module], tensors: Iterable[Tensor]) -> None:
        self._views: list[Any] = []
        for module in modules:
            self._views.append(module.__dict__.values())
            for name, value in module.__dict__.items():
                if name in TABLES and isinstance(value, dict):
                    self._views.append(value.values())
                else:
                    self._look_into(value)
        self._held = list(chain.from_iterable(self._views))
        others = [i for i, value in enumerate(self._held) if not _is_equal_if_the_same(value)]
        self._others = operator.itemgetter(*others, 0, 0) if self._held else tuple
        self._objects = self._others(self._held)
        found = {id(value): value for value in (*self._held, *tensors) if isinstance(value, Tensor)}
        self._tensors = list(found.values())
        self._arrays = list(map(_data, self._tensors))
        self._wanted = list(map(_wants_grad, self._tensors))

    def same(self) -> bool:
        """Whether everything is as it was."""
        held = list(chain.from_iterable(self._views))
        try:
            if held != self._held:  # finds identical objects equal without asking them
                return False
        except Exception:  # an array or a tensor in another's place, which no comparison answers
            return False
        return (
            all(map(operator.is_, self._others(held), self._objects))
            and all(map(operator.is_, map(_data, self._tensors), self._arrays))
            and list(map(_wants_grad, self._tensors)) == self._wanted
        )

    def _look_into(self, value: Any) -> None:
        """Note all dictionaries and lists that ``value`` leads to; their views show later changes."""
        if isinstance(value, dict):
            self._views += [value.keys(), value.values()]
            for item in value.values():
                self._look_into(item)
        elif isinstance(value, (list, tuple)):
            if isinstance(value, list):
                self._views.append(value)
            for item in value:
                self._look_into(item)


def _is_equal_if_the_same(value: Any) -> bool:
    """Whether ``==`` is all that has to be asked: equal values compute equally, or only the same object is equal."""
    if isinstance(value, tuple):
        return all(map(_is_equal_if_the_same, value))
    kind: Any = type(value)
    return kind in BY_VALUE or kind.__eq__ is object.__eq__
