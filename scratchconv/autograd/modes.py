"""Whether operations are recorded, per Python thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Self


class _State(threading.local):
    """Recording is on in every new thread."""

    enabled = True
    tracer: Any = None


_state = _State()


def is_grad_enabled() -> bool:
    """Whether operations on this thread are being recorded."""
    return _state.enabled


class _Mode(contextlib.ContextDecorator):
    """Sets the mode on entry and restores the one it found on exit."""

    _enabled: ClassVar[bool]

    def __enter__(self) -> None:
        self._found = _state.enabled
        _state.enabled = self._enabled

    def __exit__(self, *exception: object) -> None:
        _state.enabled = self._found

    def _recreate_cm(self) -> Self:
        """Give every call of a decorated function its own memory of what it found."""
        return type(self)()


class no_grad(_Mode):
    """Record nothing inside the block or the decorated function.

    >>> import scratchconv as sc
    >>> x = sc.ones(2, requires_grad=True)
    >>> with sc.no_grad():
    ...     print((x + x).requires_grad)
    False
    """

    _enabled = False


class enable_grad(_Mode):
    """Record inside the block or the decorated function, even if a ``no_grad`` block surrounds it."""

    _enabled = True


def tracer() -> Any:
    """Return what takes down operations on this thread instead of running them (``scratchconv.compiler``), or None."""
    return _state.tracer


@contextlib.contextmanager
def tracing(tracer: Any) -> Iterator[None]:
    """Let ``tracer`` take down all operations inside the block."""
    found, _state.tracer = _state.tracer, tracer
    try:
        yield
    finally:
        _state.tracer = found
