"""Reading torchvision's CIFAR-10 files, which are pickles, without running what a pickle may ask to run.

A pickle names functions to be called while it is loaded. A batch of CIFAR-10 needs three, all NumPy's, to rebuild one
array of bytes; here they stand for a class that only keeps what it is given, and any other name is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

ARRAY_PARTS = {("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}


class _Kept:
    """Stands for an array or a dtype: any call makes one, and its pickled state is kept as it comes."""

    state: tuple[Any, ...] = ()

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ARRAY_PARTS:
            return _Kept
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")


def read_pickled_records(path: Path) -> bytes:
    """Return the batch in the form of the binary version: for each image its label and its pixels, plane by plane.

    Raises
    ------
    KeyError
        If the file is not a pickled CIFAR-10 batch.
    """
    with path.open("rb") as file:
        try:
            batch = _Reader(file, encoding="latin1").load()
            pixels = batch["data"].state[-1].encode("latin1")  # Python 2 wrote bytes as a string
            labels = bytes(batch["labels"])
        except Exception as error:
            # Damaged pickles fail in many ways; what they share is that this is no CIFAR-10 batch.
            raise KeyError(f"not a CIFAR-10 batch ({error})") from error
    size = len(pixels) // max(1, len(labels))
    return b"".join(labels[i : i + 1] + pixels[i * size : (i + 1) * size] for i in range(len(labels)))
