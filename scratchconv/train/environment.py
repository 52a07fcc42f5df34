"""Where a result was produced: versions, machine and commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import scratchconv as sc

__all__ = ["commit", "cpu", "describe"]

_PACKAGE = Path(__file__).parents[1]


def cpu() -> str:
    """Name the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit(folder: Path = _PACKAGE) -> str | None:
    """Return the git commit of the sources, ``-dirty`` if they were edited since; None outside a checkout.

    A package installed inside somebody else's checkout is not tracked there, and that commit says nothing about it.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


def describe() -> dict[str, Any]:
    """Collect what a reader of a result needs to know about where it came from, as JSON values."""
    return {
        "versions": {
            "python": platform.python_version(),
            "scratchconv": sc.__version__,
            **{name: importlib.metadata.version(name) for name in ("numpy", "numba", "llvmlite")},
        },
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "commit": commit(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command, or None if it failed or git is missing."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
