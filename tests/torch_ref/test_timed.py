"""The stopwatch process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from torch_ref import timed


def test_measures_time_and_memory_of_the_command(tmp_path: Path) -> None:
    program = "import time; block = bytearray(200_000_000); block[::4096] = b'1' * len(block[::4096]); time.sleep(0.2)"
    assert timed.main(tmp_path / "result.json", [sys.executable, "-c", program]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["seconds"] > 0.2
    assert result["peak_memory_mb"] > 200


def test_returns_the_exit_code(tmp_path: Path) -> None:
    assert timed.main(tmp_path / "result.json", [sys.executable, "-c", "raise SystemExit(3)"]) == 3
