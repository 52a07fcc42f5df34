"""The folder that a reference run leaves: the same files and JSON keys as a run of ``scratchconv train``."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

CONFIG, METRICS, MODEL = "config.json", "metrics.jsonl", "model.safetensors"


class RunFolder:
    """``config.json`` (settings and machine), ``metrics.jsonl`` (one object a line), ``model.safetensors``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, settings: dict[str, Any]) -> RunFolder:
        """Make the folder and record the settings.

        Raises
        ------
        FileExistsError
            If the folder already holds something: a run is never overwritten.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(f"{path} already exists and is not empty: remove it, or choose another run folder")
        path.mkdir(parents=True, exist_ok=True)
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        document = {"settings": settings, "started": started, "versions": versions(), "machine": machine()}
        (path / CONFIG).write_text(json.dumps(document, indent=2) + "\n")
        return cls(path)

    def record(self, kind: str, **values: Any) -> None:
        """Append one line of metrics; ``time`` is seconds since 1970."""
        with open(self.path / METRICS, "a") as file:
            file.write(json.dumps({"kind": kind, "time": round(time.time(), 4), **values}) + "\n")

    def save_model(self, model: nn.Module) -> None:
        """Write the checkpoint whole or not at all."""
        temporary = self.path / f".{MODEL}.part"
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, temporary)
        os.replace(temporary, self.path / MODEL)


def read_metrics(path: Path, kind: str) -> list[dict[str, Any]]:
    """All lines of one kind from the metrics of a run folder of either library."""
    lines = map(json.loads, (path / METRICS).read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def versions() -> dict[str, str]:
    """Versions of what the reference runs on."""
    names = ("torch", "torchvision", "numpy")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def machine() -> dict[str, Any]:
    """Describe the processor, its logical cores and the operating system."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}
