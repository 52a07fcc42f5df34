"""A process that takes one training step of the CNN and says so: ``python -m benchmarks.first_step scratchconv``.

What is timed is the process, from its start to the line it prints; nothing else is imported than a user would import.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def scratchconv() -> float:
    """Take a step, compiled where the library can, and return the loss."""
    import scratchconv as sc

    sc.set_num_threads(1)
    sc.manual_seed(0)
    model: Any = sc.models.CNN()
    run = sc.compile(model) if hasattr(sc, "compile") else model
    optimizer = sc.optim.Adam(model.parameters(), lr=1e-3)
    loss = sc.nn.functional.cross_entropy(run(sc.randn(100, 1, 28, 28)), sc.from_numpy(np.arange(100) % 10))
    loss.backward()
    optimizer.step()
    return float(loss.item())


def pytorch() -> float:
    """Take the same step in PyTorch's eager mode."""
    import torch

    from torch_ref import models

    torch.set_num_threads(1)
    model = models.build("cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss: Any = torch.nn.functional.cross_entropy(model(torch.randn(100, 1, 28, 28)), torch.arange(100) % 10)
    loss.backward()
    optimizer.step()
    return float(loss.item())


LIBRARIES = {"scratchconv": scratchconv, "pytorch": pytorch}

if __name__ == "__main__":
    print(LIBRARIES[sys.argv[1]](), flush=True)
