"""The rules of the source tree, checked on its syntax (docs/architecture.md explains them)."""

from __future__ import annotations

import ast
import importlib
import inspect
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "scratchconv"
KERNELS = PACKAGE / "kernels"

# Bottom first. A module imports its own package and lower rows; members of one row do not know each other.
LAYERS = (
    ("simd",),
    ("kernels",),
    ("backends",),
    ("ops",),
    ("autograd",),
    ("nn", "optim", "serialization"),
    ("models", "data", "compiler"),
    ("train",),
    ("cli", "__main__"),
)
MAY_IMPORT_EVERYTHING = ("__init__", "train", "cli", "__main__")  # these say `import scratchconv as sc`, as users do
INTERNAL = ("kernels", "ops")  # packages whose modules are used by their full path: no `__all__` in their `__init__`

MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS, MAX_KERNEL_PARAMETERS = 300, 40, 8, 12
# The exceptions, each with its reason. A file, or "file::function".
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_PARAMETERS: dict[str, str] = {
    "scratchconv/cli.py::train": "one parameter for each option of the command line",
    "scratchconv/ops/optimizer.py::adam": "every hyperparameter of the update rule, and four lists of arrays",
    "scratchconv/ops/optimizer.py::sgd": "every hyperparameter of the update rule, and three lists of arrays",
    "scratchconv/nn/_conv.py::__init__": "the signature of torch.nn.Conv2d",
}
# Modules without a test file of their own, and where they are tested instead.
MIRRORS: dict[str, str] = {
    "scratchconv/__init__.py": "tests/test_import.py",
    "scratchconv/__main__.py": "tests/test_cli.py",
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it; `from a import b` gives `a.b`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports relatively; write the full path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}::{node.name}", node


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rank(layer: str) -> int:
    return next(i for i, row in enumerate(LAYERS) if layer in row)


def operations() -> list[Path]:
    return sorted(folder for folder in KERNELS.iterdir() if (folder / "naive.py").exists())


def algorithms(operation: Path) -> list[Path]:
    return sorted(f for f in operation.glob("*.py") if not f.name.startswith("_") and f.name != "naive.py")


def test_every_top_level_name_has_a_layer() -> None:
    known = {layer for row in LAYERS for layer in row} | {"__init__"}
    assert {layer_of(path) for path in sources("scratchconv")} <= known


def test_imports_point_down() -> None:
    wrong = []
    for path in sources("scratchconv"):
        here = layer_of(path)
        for imported in imports(path):
            parts = imported.split(".")
            if parts[0] != "scratchconv" or here in MAY_IMPORT_EVERYTHING:
                continue
            there = parts[1] if len(parts) > 1 else "__init__"
            if there != here and (there == "__init__" or rank(there) >= rank(here)):
                wrong.append(f"{name_of(path)} imports {imported}")
    assert not wrong


def test_train_does_not_know_the_command_line() -> None:
    assert not [i for path in sources("scratchconv/train") for i in imports(path) if i.startswith("scratchconv.cli")]


def test_data_uses_nothing_but_tensors() -> None:
    layers = {i.split(".")[1] for path in sources("scratchconv/data") for i in imports(path) if "scratchconv." in i}
    assert layers <= {"data", "autograd"}


def test_no_torch_in_the_package() -> None:
    assert not [
        f"{name_of(path)} imports {imported}"
        for path in sources("scratchconv")
        for imported in imports(path)
        if imported.split(".")[0] in ("torch", "torchvision", "torch_ref")
    ]


def bound_names(path: Path) -> set[str]:
    """Public names that a file defines at its top level; for a package also those it imports."""
    names = set()
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and path.name == "__init__.py" and node.module != "__future__":
            names.update(alias.asname or alias.name for alias in node.names)
    return {name for name in names if not name.startswith("_")}


def public_modules() -> list[Path]:
    """Every package outside the internal ones, and the modules that users import by name."""
    packages = [
        path for path in sources("scratchconv") if path.name == "__init__.py" and layer_of(path) not in INTERNAL
    ]
    modules = ["nn/functional.py", "nn/init.py", "cli.py", "train/console.py", "train/environment.py"]
    return packages + [PACKAGE / module for module in modules]


@pytest.mark.parametrize("path", public_modules(), ids=name_of)
def test_all_lists_exactly_the_public_names(path: Path) -> None:
    module = importlib.import_module(module_name(path))
    listed = set(module.__all__)
    assert len(listed) == len(module.__all__)
    assert not {name for name in listed if not hasattr(module, name)}
    assert bound_names(path) - listed == set()


def mirrors(path: Path) -> list[Path]:
    """Where the tests of a module may be: in its mirror image, or one file for a whole operation's algorithms."""
    relative = path.relative_to(PACKAGE)
    own = ROOT / "tests" / relative.with_name(f"test_{relative.name.lstrip('_')}")
    if relative.parts[0] == "kernels" and len(relative.parts) > 2:
        return [own, ROOT / "tests" / "kernels" / f"test_{relative.parts[1]}.py"]
    return [ROOT / MIRRORS.get(name_of(path), own)]


def test_every_module_has_a_test_file() -> None:
    modules = [p for p in sources("scratchconv") if p.name != "__init__.py" or name_of(p) in MIRRORS]
    assert not [name_of(path) for path in modules if not any(mirror.exists() for mirror in mirrors(path))]


def test_jit_flags_live_in_one_file() -> None:
    decorators = {"njit", "jit", "generated_jit", "vectorize", "guvectorize", "stencil"}
    flags = {"fastmath", "parallel", "nogil", "error_model", "boundscheck"}
    wrong = []
    for path in sources("scratchconv"):
        if path == KERNELS / "_jit.py":
            continue
        wrong += [name_of(path) for i in imports(path) if i.startswith("numba") and i.split(".")[-1] in decorators]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in decorators - {"jit"}:
                wrong.append(f"{name_of(path)}:{node.lineno}")
            if isinstance(node, ast.Call) and {keyword.arg for keyword in node.keywords} & flags:
                wrong.append(f"{name_of(path)}:{node.lineno}")
    assert not wrong


def test_cuda_kernels_are_compiled_lazily() -> None:
    assert not [
        f"{name_of(path)}:{node.lineno}"
        for path in sources("scratchconv")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "jit" and node.args
    ]


@pytest.mark.parametrize("operation", operations(), ids=lambda path: path.name)
def test_an_operation_has_a_derivation_and_a_pure_contract(operation: Path) -> None:
    assert (operation / "README.md").exists()
    allowed = ("numpy", "__future__.annotations", "scratchconv.kernels._jit.kernel")
    assert set(imports(operation / "naive.py")) <= set(allowed)


@pytest.mark.parametrize("operation", operations(), ids=lambda path: path.name)
def test_algorithms_have_the_functions_of_the_contract(operation: Path) -> None:
    def parameters(path: Path, name: str) -> list[tuple[str, object]]:
        function = getattr(importlib.import_module(module_name(path)), name)
        return [(parameter.name, parameter.default) for parameter in inspect.signature(function).parameters.values()]

    contract = operation / "naive.py"
    names = [node.name for node in tree(contract).body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    assert names
    for algorithm in algorithms(operation):
        for name in names:
            assert parameters(algorithm, name) == parameters(contract, name), f"{name_of(algorithm)}: {name}"


def test_kernels_do_not_print_validate_or_assert() -> None:
    assert not [
        f"{name_of(path)}:{node.lineno}"
        for operation in operations()
        for path in operation.glob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
    ]


def test_no_assert_on_input() -> None:
    assert not [
        f"{name_of(path)}:{node.lineno}"
        for path in sources("scratchconv")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assert)
    ]


def test_files_stay_short() -> None:
    lengths = {
        name_of(path): len(path.read_text().splitlines())
        for path in sources("scratchconv", "torch_ref", "benchmarks", "tests")
    }
    long = {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}
    assert long.keys() == LONG_FILES.keys(), long


def code_lines(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function that hold code: no docstring, comment or blank line."""
    first = node.body[0]
    docstring = ast.get_docstring(node) is not None
    skipped = set(range(first.lineno, (first.end_lineno or first.lineno) + 1)) if docstring else set()
    return sum(node.lineno <= line <= (node.end_lineno or 0) for line in lines_with_code(path) - skipped)


@cache
def lines_with_code(path: Path) -> set[int]:
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    with open(path, "rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in nothing]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def test_functions_stay_short() -> None:
    lengths = {
        name: code_lines(path, node)
        for path in sources("scratchconv", "torch_ref", "benchmarks", "tests")
        for name, node in functions(path)
    }
    long = {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}
    assert long.keys() == LONG_FUNCTIONS.keys(), long


def test_functions_take_few_parameters() -> None:
    many = {}
    for path in sources("scratchconv"):
        limit = MAX_KERNEL_PARAMETERS if layer_of(path) in ("kernels", "simd") else MAX_PARAMETERS
        for name, node in functions(path):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = sum(argument.arg not in ("self", "cls") for argument in arguments)
            public = not node.name.startswith("_") or node.name == "__init__"
            if public and count > limit:
                many[name] = count
    assert many.keys() == MANY_PARAMETERS.keys(), many
