"""Where and under what load a measurement was made."""

from __future__ import annotations

import importlib.metadata
import os
from typing import Any

from scratchconv.train import environment


def describe(*, torch: bool = False) -> dict[str, Any]:
    """Versions, processor, commit and the present load; with PyTorch's version if it took part."""
    facts = environment.describe()
    facts["load"] = {"before": os.getloadavg()}
    if torch:
        facts["versions"]["torch"] = importlib.metadata.version("torch")
    return facts
