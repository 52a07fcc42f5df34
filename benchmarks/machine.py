"""Where and under what load a measurement was made, the memory allocator it needs, and the file it goes to."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scratchconv.train import environment

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

# glibc gives large blocks back to the system when they are freed and then takes a page fault for every 4 KiB of each
# result that PyTorch allocates: up to three times slower on large, thin layers. These settings make it keep them.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def keep_freed_memory() -> None:
    """Start this program again with :data:`ALLOCATOR` in its environment, unless it is there."""
    if any(name not in os.environ for name in ALLOCATOR):
        os.execve(sys.executable, sys.orig_argv, {**ALLOCATOR, **os.environ})


def describe(*, torch: bool = False) -> dict[str, Any]:
    """Versions, processor, commit and the present load; with PyTorch's version if it took part."""
    facts = environment.describe() | {"commit": commit()}
    facts["load"] = {"before": os.getloadavg()}
    if torch:
        facts["versions"]["torch"] = importlib.metadata.version("torch")
    return facts


def commit() -> str | None:
    """The commit of the sources; ``-dirty`` if sources were edited since, not if only results or tables were."""
    described = environment.commit()
    if described is None or not described.endswith("-dirty"):
        return described
    sources = ["scratchconv/*.py", "torch_ref/*.py", "benchmarks/*.py"]
    command = ["git", "-C", str(ROOT), "status", "--porcelain", "--", *sources]
    edited = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return described if edited else described.removesuffix("-dirty")


def begin() -> dict[str, Any]:
    """When, where, and under what load a measurement begins: the head of its document."""
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    allocator = {name: os.environ.get(name) for name in ALLOCATOR}
    return {"date": date, **describe(torch=True), "allocator": allocator}


def write(name: str, facts: dict[str, Any], figures: dict[str, Any], folder: Path) -> None:
    """Write ``folder/name.json``: what :func:`begin` said, the load at the end, and the figures."""
    load = {**facts["load"], "after": os.getloadavg()}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"what": name, **facts, "load": load, **figures}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n")
