"""The folder a run leaves behind: settings, metrics, checkpoint and curves."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import scratchconv as sc
from scratchconv.train import environment
from scratchconv.train._config import TrainConfig

CONFIG, METRICS, MODEL, CURVES = "config.json", "metrics.jsonl", "model.safetensors", "curves.png"


class RunFolder:
    """A run on disk.

    ==================== ================================================================================
    ``config.json``      the settings, and where and when they ran (versions, machine, commit)
    ``metrics.jsonl``    one JSON object a line; ``kind`` is ``step``, ``epoch`` or ``test``
    ``model.safetensors`` the weights after the last finished epoch
    ``curves.png``       loss and accuracy, if matplotlib is installed
    ==================== ================================================================================

    Files are written under another name and renamed, so each is whole or missing; a line of metrics is written at once.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._metrics: TextIO | None = None

    def create(self, config: TrainConfig) -> None:
        """Make the folder and record the settings and the environment.

        Raises
        ------
        FileExistsError
            If the folder already holds something: a run is never overwritten.
        """
        self.refuse_if_used()
        self.path.mkdir(parents=True, exist_ok=True)
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        values = {"settings": config.as_json(), "started": started, **environment.describe()}
        with _replacing(self.path / CONFIG) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n")

    def refuse_if_used(self) -> None:
        """Raise FileExistsError if the folder holds something or is a file."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"{self.path} already exists and is not empty: remove it, or choose another run folder"
            )

    def record(self, kind: str, **values: float) -> None:
        """Append one line of metrics; ``time`` is seconds since 1970, and a loss that is no number is null."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = json.dumps({"kind": kind, "time": round(time.time(), 4), **finite}) + "\n"
        if self._metrics is None:  # once, not in every step
            self._metrics = open(self.path / METRICS, "a", buffering=1)
            weakref.finalize(self, self._metrics.close)
        self._metrics.write(line)

    def save_model(self, model: sc.nn.Module) -> None:
        """Write the checkpoint."""
        sc.save(model.state_dict(), self.path / MODEL)

    def load_model(self, model: sc.nn.Module) -> None:
        """Read the checkpoint into ``model``."""
        if not (self.path / MODEL).exists():
            raise FileNotFoundError(f"{self.path} has no {MODEL}: no epoch of that run was finished")
        model.load_state_dict(sc.load(self.path / MODEL))

    def config(self) -> TrainConfig:
        """Read the settings of the run."""
        if not (self.path / CONFIG).exists():
            raise FileNotFoundError(f"{self.path} is not a run folder: it has no {CONFIG}")
        return TrainConfig.from_json(json.loads((self.path / CONFIG).read_text())["settings"])

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        """Read the metrics of one kind, in the order of time."""
        lines = (self.path / METRICS).read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == kind]

    def draw_curves(self) -> bool:
        """Draw loss and accuracy; False if matplotlib is not installed."""
        try:
            from scratchconv.train import _curves
        except ModuleNotFoundError as missing:
            if (missing.name or "").split(".")[0] != "matplotlib":
                raise
            return False
        figure = _curves.draw(self.metrics("step"), self.metrics("test"))
        with _replacing(self.path / CURVES) as temporary:
            figure.savefig(temporary, format="png")
        return True


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it becomes ``path`` if the block succeeds and vanishes if not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
