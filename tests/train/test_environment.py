"""What a run says about where it ran."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np

import scratchconv as sc
from scratchconv.train import environment


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_versions_are_those_of_this_process() -> None:
    facts = environment.describe()
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["machine"]["cpu"]
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["scratchconv"] == sc.__version__


def test_commit_needs_a_tracked_package(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) is None
    git(tmp_path, "init")
    (tmp_path / "__init__.py").write_text("")
    assert environment.commit(tmp_path) is None  # inside a checkout, but not part of it
    git(tmp_path, "add", "__init__.py")
    git(tmp_path, "commit", "-m", "first")
    clean = environment.commit(tmp_path)
    assert clean is not None and re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "__init__.py").write_text("edited = True")
    assert environment.commit(tmp_path) == f"{clean}-dirty"
