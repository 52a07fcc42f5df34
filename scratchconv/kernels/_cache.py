"""Where compiled kernels are kept: a folder that cannot go stale."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path

import llvmlite
import numba
import numpy as np

from scratchconv.simd import _cpu

_PACKAGE = Path(__file__).parents[1]
_KEEP = 4  # newest digests kept on disk


def root() -> Path:
    """The folder for all digests: ``SCRATCHCONV_CACHE`` or the user's cache folder."""
    if own := os.environ.get("SCRATCHCONV_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", str(Path.home()))
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(base) / "scratchconv"


def digest(package: Path = _PACKAGE) -> str:
    """Digest of everything that machine code depends on: kernel sources, CPU, vector width, compiler versions."""
    state = hashlib.sha256()
    versions = (sys.version, np.__version__, numba.__version__, llvmlite.__version__)
    cpu = (_cpu.name(), sorted(_cpu.features()), _cpu.vector_bytes())
    state.update(repr((versions, cpu)).encode())
    for layer in ("simd", "kernels"):
        for source in sorted((package / layer).rglob("*.py")):
            state.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return state.hexdigest()[:16]


@functools.cache
def directory() -> Path:
    """The cache folder of this process; folders of older sources beyond the newest few are removed."""
    folder = root() / digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return folder  # read-only home: Numba says so itself when it cannot write
    _prune(folder.parent)
    return folder


def _prune(parent: Path) -> None:
    """Keep the ``_KEEP`` most recently used digests."""
    import shutil

    folders = sorted((f for f in parent.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
    for old in folders[_KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
