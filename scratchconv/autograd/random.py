"""The one source of random numbers: initialisation, ``randn``, shuffling and augmentation all draw from it."""

from __future__ import annotations

import numpy as np

_generator = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Start the stream of random numbers afresh from ``seed`` and return its generator."""
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def generator() -> np.random.Generator:
    """Return the generator in use; ask again each time, ``manual_seed`` replaces it."""
    return _generator
