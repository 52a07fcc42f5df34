"""Run one command and write down how long it took and how much memory it needed: ``python -m torch_ref.timed``.

It is a process of its own because Linux counts, in the peak of a new process, the memory of the process that started
it. This one imports almost nothing, so the figure is the command's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def main(result: Path, command: Sequence[str]) -> int:
    """Run ``command``, write ``{"seconds": …, "peak_memory_mb": …}`` to ``result``, and return its exit code."""
    started = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6
    result.write_text(json.dumps({"seconds": round(seconds, 3), "peak_memory_mb": round(peak, 1)}))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
