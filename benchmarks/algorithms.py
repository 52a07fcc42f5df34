"""The rungs of the ladder: every convolution algorithm of the library that exists, and how long its text is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.convolution import DIRECTIONS, TOLERANCE, Shape
from scratchconv.kernels.conv2d._source import plain

ROOT = Path(__file__).parents[1]
FOLDER = "scratchconv.kernels.conv2d"
FAST_TOLERANCE = 1e-4  # larger Winograd tiles lose a digit or two of float32's seven, on purpose
_SHARED = "scratchconv.kernels._"  # JIT flags, copies, threads: no part of an algorithm


DIRECT = ("direct", "direct with row reuse")  # the kernels that multiply as often as the formula
FUNCTIONS = dict(zip(DIRECTIONS, ("forward", "input_grad", "weight_grad"), strict=True))


@dataclass(frozen=True)
class Rung:
    """An algorithm by the name a reader knows, the module that holds it, and what its faster setting is called."""

    name: str
    module: str
    precision: str = ""

    @property
    def exists(self) -> bool:
        """Whether the library has it."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def tolerance(self) -> float:
        """Largest error that is timed."""
        return FAST_TOLERANCE if self.precision == "fast" else TOLERANCE

    def load(self) -> Any:
        """Import the module; with a precision, its functions under that setting."""
        module = importlib.import_module(self.module)
        return _Setting(module, self.precision) if self.precision else module

    def applies(self, shape: Shape, direction: str) -> bool:
        """Whether it has a way of its own to compute this.

        A module without ``applies`` computes every convolution; a function borrowed from another rung is no rung.
        """
        module = importlib.import_module(self.module)
        applies = getattr(module, "applies", None)
        if applies is None:
            return True
        name = FUNCTIONS[direction]
        borrowed = any(getattr(module, name) is getattr(other, name) for other in _others(self.module))
        stride, padding, dilation, groups = shape.geometry
        size, results = (shape.side, shape.channels) if direction == "input gradient" else (shape.out, shape.filters)
        facts = {
            "taps": (shape.kernel, shape.kernel),
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "channels": shape.filters if direction == "input gradient" else shape.channels,  # that are added up
            "results": np.broadcast_to(np.float32(0), (shape.batch, size, size, results)),
            "precision": self.precision or "exact",
        }
        asked = [name for name in inspect.signature(applies).parameters if name in facts]
        return not borrowed and bool(applies(**{name: facts[name] for name in asked}))

    @property
    def lines(self) -> int:
        """Lines of code of its file and of the helpers that belong to no other rung."""
        return sum(code_lines(path.read_text()) for path in files(self.module))


class _Setting:
    """The functions of an algorithm under one setting of its precision."""

    def __init__(self, module: Any, precision: str) -> None:
        self._module, self._setting = module, {"precision": precision}

    def forward(self, x: Any, *rest: Any) -> None:
        self._module.run_forward(plain(x), *rest, **self._setting)

    def input_grad(self, dy: Any, *rest: Any) -> None:
        self._module.run_input_grad(plain(dy), *rest, **self._setting)

    def weight_grad(self, x: Any, dy: Any, *rest: Any) -> None:
        self._module.run_weight_grad(plain(x), plain(dy), *rest, **self._setting)


# From the slowest to the fastest. A rung that the library does not have is not listed.
LADDER = (
    Rung("naive", f"{FOLDER}.naive"),
    Rung("im2col", f"{FOLDER}.im2col"),
    Rung("direct", f"{FOLDER}.direct"),
    Rung("direct with row reuse", f"{FOLDER}.rows"),
    Rung("Winograd", f"{FOLDER}.winograd"),
    Rung("Winograd, fast", f"{FOLDER}.winograd", "fast"),
)


def in_order(names: Iterable[str]) -> list[str]:
    """The given rungs' names, each once, from the slowest to the fastest."""
    found = set(names)
    return [rung.name for rung in LADDER if rung.name in found]


def rungs(shape: Shape, direction: str) -> list[Rung]:
    """The rungs that exist and apply to one direction of a convolution."""
    return [rung for rung in LADDER if rung.exists and rung.applies(shape, direction)]


def _others(module: str) -> list[Any]:
    return [importlib.import_module(rung.module) for rung in LADDER if rung.module != module and rung.exists]


def files(module: str) -> list[Path]:
    """The file of an algorithm and, through its imports, those of its helpers; other rungs' files are not its own."""
    others = {rung.module for rung in LADDER} - {module}
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if path is None or name in found:
            continue
        found[name] = path
        imported = [i for i in _imports(path) if i.startswith("scratchconv.kernels.")]
        waiting += [i for i in imported if i not in others and not i.startswith(_SHARED)]
    return sorted(found.values())


def _path(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.exists() else None


def _imports(path: Path) -> Iterator[str]:
    """Modules a file imports; ``from a import b`` may mean the module a.b or a name in a, so both are given."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def code_lines(source: str) -> int:
    """Lines that hold code: no blank line, comment or docstring."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in blank]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - set(_docstring_lines(source)))


def _docstring_lines(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
