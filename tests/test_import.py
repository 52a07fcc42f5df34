"""What ``import scratchconv`` costs and what it needs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import scratchconv as sc

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_works_where_torch_cannot_be_imported() -> None:
    blocked = "import sys; sys.modules.update(torch=None, torchvision=None, matplotlib=None)"
    model = "model = sc.models.CNN(); print(sum(p.numel() for p in model.parameters()))"
    # 1·16·25 + 16 + 2·16 + 16·32·25 + 32 + 2·32 + 1568·10 + 10: the article's CNN, counted by hand
    assert python(f"{blocked}; import scratchconv as sc; {model}").split() == ["29034"]


def test_leaves_the_command_line_and_downloads_alone() -> None:
    heavy = ("typer", "rich", "pooch", "requests", "matplotlib", "torch", "PIL", "safetensors.numpy")
    loaded = python(f"import sys, scratchconv; print([name for name in {heavy} if name in sys.modules])")
    assert loaded.strip() == "[]"


def test_takes_less_than_a_second_warm() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        python("import scratchconv")
        return time.perf_counter() - start

    # Once in a few times: other processes on the machine only ever add time.
    assert any(seconds() < 1.0 for _ in range(8))


def test_names_of_the_readme_exist() -> None:
    for name in (
        "tensor from_numpy zeros ones randn rand arange cat stack max argmax no_grad manual_seed save load"
    ).split():
        assert callable(getattr(sc, name)), name
    for name in ("Tensor", "nn", "optim", "data", "models", "set_num_threads", "get_num_threads"):
        assert hasattr(sc, name), name
