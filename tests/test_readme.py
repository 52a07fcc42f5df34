"""The README's commands and example are what they claim to be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_opens_with_one_command_to_train_and_one_to_test() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip() == "pip install . && scratchconv train cnn --data digits --epochs 5"
    assert second.strip() == "pip install -e '.[test]' && pytest"
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "step pytest"


def test_the_example_is_short_and_learns(tmp_path: Path) -> None:
    (example,) = blocks("python")
    assert len(example.strip().splitlines()) <= 15
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", done.stdout)]
    # ln 10 = 2.3 is the loss of a model that knows nothing; thirty steps bring these digits far below one.
    assert len(losses) == 2 and losses[-1] < min(losses[0], 0.5)
    assert (tmp_path / "cnn.safetensors").stat().st_size > 4 * 29_034


def test_every_file_it_names_exists() -> None:
    text = README.split("## Read the kernels")[1]
    names = re.findall(r"`([\w./]+(?:\.py|\.md))`", text)
    folders = (ROOT, ROOT / "scratchconv", ROOT / "scratchconv" / "kernels" / "conv2d")
    assert names
    assert not [name for name in names if not any((folder / name).exists() for folder in folders)]
