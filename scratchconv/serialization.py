"""Saving and loading tensors as safetensors files, which other libraries read as well.

A file holds the tensors, in logical row-major order, and a description of the structure they came in (JSON, in the
file's metadata), so that a model's or an optimizer's ``state_dict()`` comes back as it was. Loading runs no code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from scratchconv.autograd import Tensor

__all__ = ["load", "save"]

Arrays = dict[str, npt.NDArray[Any]]

_STRUCTURE = "scratchconv.structure"  # the metadata key
_DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write ``obj`` to ``path``: a tensor, an array, or dicts, lists and tuples of those and of plain values.

    Plain values are None, bool, int, float and str. A dict of tensors becomes a file with exactly these keys. The file
    appears under its name only when it is complete.

    Raises
    ------
    TypeError
        For anything else inside ``obj``; the message says where it is.
    """
    path = Path(path)
    arrays: Arrays = {}
    structure = json.dumps(_describe(obj, (), arrays))
    content = safetensors.numpy.save(arrays, metadata={_STRUCTURE: structure})
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Any:
    """Read what :func:`save` wrote, with arrays as Tensors; a safetensors file of other origin gives a dict of Tensors.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no safetensors file, is damaged, or holds a dtype that NumPy does not have.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: Tensor(file.get_tensor(name)) for name in file.keys()}
        return _rebuild(json.loads(metadata[_STRUCTURE]), tensors) if _STRUCTURE in metadata else tensors
    except (safetensors.SafetensorError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"cannot read {path} as a safetensors file: {error}") from error


# A structure is written as: a tensor {"tensor": its key}; a dict {"dict": [[key, value], …]} (JSON itself has string
# keys only); a list or tuple {"list": […]}, {"tuple": […]}; a plain value as itself.


def _describe(obj: Any, place: tuple[str, ...], arrays: Arrays) -> Any:
    """Return the JSON description of ``obj`` and put its arrays into ``arrays``, keyed by their place."""
    if obj is None or isinstance(obj, bool | int | float | str):
        return obj
    array = obj.data if isinstance(obj, Tensor) else obj
    if isinstance(array, np.ndarray | np.generic):
        return {"tensor": _store(np.asarray(array), place, arrays)}
    if isinstance(obj, dict):
        return {"dict": [[_key(k, place), _describe(v, (*place, str(k)), arrays)] for k, v in obj.items()]}
    if isinstance(obj, list | tuple):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_describe(v, (*place, str(i)), arrays) for i, v in enumerate(obj)]}
    raise TypeError(f"cannot save {type(obj)} at {_shown(place)}: only tensors, containers and plain values")


def _store(array: npt.NDArray[Any], place: tuple[str, ...], arrays: Arrays) -> str:
    """Put a C-contiguous copy of ``array`` into ``arrays`` and return its key."""
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"cannot save dtype {array.dtype} at {_shown(place)}: only {', '.join(_DTYPES)}")
    key = "/".join(place) or "tensor"
    while key in arrays:  # {"a/b": x, "a": {"b": y}}
        key += "'"
    arrays[key] = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes 0-d arrays 1-d
    return key


def _key(key: Any, place: tuple[str, ...]) -> str | int:
    """Return a dict key if it is one that can be saved."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TypeError(f"cannot save the dict key {key!r} at {_shown(place)}: only strings and integers")
    return key


def _shown(place: tuple[str, ...]) -> str:
    """Return a place in words."""
    return "/".join(place) or "the top"


def _rebuild(description: Any, tensors: dict[str, Tensor]) -> Any:
    """Return what ``_describe`` was given."""
    if not isinstance(description, dict):
        return description
    ((kind, value),) = description.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _rebuild(entry, tensors) for key, entry in value}
    return {"list": list, "tuple": tuple}[kind](_rebuild(entry, tensors) for entry in value)
