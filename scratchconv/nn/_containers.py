"""Modules that hold other modules in order."""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Self, SupportsIndex

from scratchconv.nn._module import Module


class _OrderedModules(Module):
    """What Sequential and ModuleList share: children in order, read and changed like a list."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        self.add_module(self._name(index), module)

    def __delitem__(self, index: SupportsIndex) -> None:
        del self._modules[self._name(index)]
        self._renumber(list(self._modules.values()))

    def append(self, module: Module) -> Self:
        """Add ``module`` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add every one of ``modules`` at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Add ``module`` before position ``index``; those behind it move up by one."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def _renumber(self, modules: list[Module | None]) -> None:
        """Hold exactly ``modules``, named by their position."""
        self._modules.clear()
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def _name(self, index: SupportsIndex) -> str:
        """Return the name of the child at ``index``, which may be negative."""
        position, count = operator.index(index), len(self)
        if not -count <= position < count:
            raise IndexError(f"index {position} is out of range for {type(self).__name__} of length {count}")
        return list(self._modules)[position]


class Sequential(_OrderedModules):
    """Call the children one after another: y = f_n(… f_1(x)).

    Give the modules themselves (named "0", "1", …) or one OrderedDict of named modules.
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._name(index)]

    def forward(self, x: Any) -> Any:
        """Return the last child's output."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_OrderedModules):
    """A list whose modules are registered: iterate over it in a ``forward`` of your own."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._name(index)]

    def _children_text(self) -> list[tuple[str, str]]:
        lines, start = [], 0
        for text, run in itertools.groupby(map(repr, self)):
            end = start + len(list(run))
            single = end - start == 1
            lines.append((f"{start}", text) if single else (f"{start}-{end - 1}", f"{end - start} x {text}"))
            start = end
        return lines
