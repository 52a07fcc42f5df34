"""Tables of forward hooks, and the handle that takes a hook away again."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

_next_key = itertools.count()


class HookTable(dict[int, Callable[..., Any]]):
    """Hooks in the order of their registration (a plain dict cannot be weakly referenced, and handles do that)."""

    def register(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Add ``hook`` and return the handle that removes it."""
        handle = RemovableHandle(self)
        self[handle.id] = hook
        return handle


class RemovableHandle:
    """Returned by ``register_*_hook``: call :meth:`remove`, or leave its ``with`` block, to unregister the hook.

    The handle does not keep the module alive.
    """

    def __init__(self, table: HookTable) -> None:
        self.id = next(_next_key)
        self._table = weakref.ref(table)

    def remove(self) -> None:
        """Unregister the hook; a second call does nothing."""
        table = self._table()
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
