"""A convolution made ready: all that does not depend on the numbers it reads, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from scratchconv.kernels._jit import specialized
from scratchconv.kernels.conv2d._block import Block
from scratchconv.kernels.conv2d._finish import begin


class Prepared(NamedTuple):
    """A kernel and its arguments but for source, results and what becomes of them.

    The kernel takes (*head, source, block, *tail, y, finish); weights in its own order and bias are among ``tail``.
    """

    kernel: Callable[..., Any]
    head: tuple[Any, ...]
    block: Block
    tail: tuple[Any, ...]

    def run(self, source: Any, y: Any, make_finish: Any = None) -> Any:
        """Convolve ``source`` into ``y``; return what ``make_finish(items)`` has described (see _finish)."""
        finish = begin(y, self.block, make_finish)
        self.kernel(*self.head, source, self.block, *self.tail, y.reshape(-1), finish)
        return finish

    def bind(self, source: Any, y: Any, make_finish: Any = None) -> Callable[[Any], None]:
        """Return ``run`` for these results, as a call that takes a Source like this one, and costs little."""
        head, block, tail = self.head, self.block, self.tail
        rest = (block, *tail, y.reshape(-1), begin(y, block, make_finish))
        call = specialized(self.kernel, *head, source, *rest)

        def run(source: Any) -> None:
            call(*head, source, *rest)

        return run
