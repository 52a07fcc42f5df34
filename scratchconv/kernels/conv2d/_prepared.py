"""A convolution made ready: all that does not depend on the numbers it reads, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
        finish = self.finish(y, make_finish)
        self.launch(source, y, finish)
        return finish

    def finish(self, y: Any, make_finish: Any = None) -> Any:
        """Describe what becomes of ``y``."""
        return begin(y, self.block, make_finish)

    def launch(self, source: Any, y: Any, finish: Any) -> None:
        """Convolve ``source`` into ``y``, whose ``finish`` is described."""
        self.kernel(*self.head, source, self.block, *self.tail, y.reshape(-1), finish)
