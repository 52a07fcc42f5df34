"""The real MNIST and CIFAR-10, where this machine has them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"


def has_real_data(root: Path) -> bool:
    wanted = ("MNIST/raw/train-images-idx3-ubyte", "cifar-10-batches-bin/data_batch_1.bin")
    return all((root / path).exists() for path in wanted)


def find_real_data(scratch: Path) -> Path:
    """Return a data root with both sets: ``SCRATCHCONV_DATA``, or ``../shared/data`` laid out in ``scratch``."""
    named = os.environ.get("SCRATCHCONV_DATA")
    if named and has_real_data(Path(named)):
        return Path(named)
    if not (SHARED / "unpack.py").exists():
        pytest.skip(f"the real data are neither in SCRATCHCONV_DATA ({named}) nor in {SHARED}")
    subprocess.run([sys.executable, str(SHARED / "unpack.py"), str(scratch)], check=True, capture_output=True)
    return scratch
