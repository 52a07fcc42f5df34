"""The rungs of the ladder: every convolution algorithm of the library that exists, and how long its text is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.convolution import Shape

ROOT = Path(__file__).parents[1]
FOLDER = "scratchconv.kernels.conv2d"
_SHARED = "scratchconv.kernels._"  # JIT flags, copies, threads: no part of an algorithm


@dataclass(frozen=True)
class Rung:
    """An algorithm by the name a reader knows and the module that holds it."""

    name: str
    module: str

    @property
    def exists(self) -> bool:
        """Whether the library has it."""
        return importlib.util.find_spec(self.module) is not None

    def load(self) -> ModuleType:
        """Import the module."""
        return importlib.import_module(self.module)

    def applies(self, shape: Shape) -> bool:
        """Whether it can compute this convolution: a module without ``applies`` can compute all."""
        applies = getattr(self.load(), "applies", None)
        stride, _, dilation, groups = shape.geometry
        w = (shape.kernel, shape.kernel, shape.channels // shape.groups, shape.filters)
        return applies is None or bool(applies(w, stride, dilation, groups))

    @property
    def lines(self) -> int:
        """Lines of code of its file and of the helpers that belong to no other rung."""
        return sum(code_lines(path.read_text()) for path in files(self.module))


# From the slowest to the fastest. A rung that the library does not have is not listed.
LADDER = (
    Rung("naive", f"{FOLDER}.naive"),
    Rung("im2col", f"{FOLDER}.im2col"),
    Rung("direct", f"{FOLDER}.direct"),
    Rung("direct with row reuse", f"{FOLDER}.row_reuse"),
    Rung("Winograd", f"{FOLDER}.winograd"),
)


def rungs(shape: Shape) -> list[Rung]:
    """The rungs that exist and apply to a convolution."""
    return [rung for rung in LADDER if rung.exists and rung.applies(shape)]


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
