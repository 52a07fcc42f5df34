"""Where data sets lie on disk, and the error for when they do not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

ROOT_VARIABLE = "SCRATCHCONV_DATA"


class DataError(RuntimeError):
    """A data set is missing, cannot be downloaded, or its files are damaged; the message says what to do."""


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds the data sets, which need not exist yet.

    It is ``root`` if given, else the environment variable ``SCRATCHCONV_DATA`` if set, else the user's cache folder
    (``~/.cache/scratchconv`` on Linux).
    """
    chosen = root or os.environ.get(ROOT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import pooch  # here, as it is slow to import and most processes are told the root

    return Path(pooch.os_cache("scratchconv"))


def remedies(folder: Path, urls: Sequence[str]) -> str:
    """Return the end of an error about files that ``folder`` should hold: the ways to get them there."""
    listed = "".join(f"\n      {url}" for url in urls)
    return (
        "\nDo one of these:"
        "\n  - with a network: let them be downloaded (download=True; the command line does it by itself)"
        f"\n  - have them elsewhere: name that data root with --data-root, root=... or {ROOT_VARIABLE}"
        f"\n  - by hand: fetch these with any browser, on any machine, and put them into {folder}{listed}"
        "\n  - without any: train on the digits that come with the package (--data digits, scratchconv.data.Digits)"
    )
