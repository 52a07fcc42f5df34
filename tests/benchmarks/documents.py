"""Documents as the benchmarks write them, with figures that are easy to recognise."""

from __future__ import annotations

from typing import Any

from benchmarks.convolution import DIRECTIONS

HEAD: dict[str, Any] = {
    "date": "2026-01-02T03:04:05+00:00",
    "versions": {"numba": "0.61", "torch": "2.4.0+cpu"},
    "machine": {"cpu": "Test CPU", "cores": 2},
    "commit": "0123456789abcdef",
    "load": {"before": [0.25, 0.5, 0.75], "after": [0.5, 0.5, 0.75]},
}
TIMES: dict[str, Any] = {"median_ms": 2.0, "fastest_ms": 1.5, "rounds": 10, "slow_rounds": 1, "disturbed": False}
RATIO: dict[str, Any] = {"ratio": {"median": 1.5, "min": 1.25}, "best_other": "PyTorch NCHW"}
SPEED: dict[str, Any] = {"gflops": 123.4, "share": 0.5}
CEILINGS: dict[str, Any] = {
    "peak_gflops": 250.0,
    "bandwidth_gbs": {"L1": {"read": 400.0, "copy": 300.0}, "DRAM": {"read": 40.0, "copy": 30.0}},
    "working_set_bytes": {"L1": 16384, "DRAM": 1 << 28},
}


def body(text: str) -> list[str]:
    """The rows of the first table of a text, without its head."""
    table = next(part for part in text.split("\n\n") if part.startswith("|"))
    return table.splitlines()[2:]


def step(library: str, **other: Any) -> dict[str, Any]:
    """One row of a document of steps."""
    work = {"model": "cnn", "what": "training", "batch": 100, "threads": 1, "error": 1e-7}
    ratio = {} if library.startswith("PyTorch") else RATIO
    return {**work, "library": library, **TIMES, **ratio, **other}


def compared(**plan: Any) -> dict[str, Any]:
    """A document as `python -m torch_ref compare` writes it."""
    figures = {
        "mean_accuracy": 0.985,
        "min_accuracy": 0.98,
        "median_train_seconds": 12.34,
        "median_process_seconds": 15.67,
        "peak_memory_mb": 321.4,
    }
    settings = {"model": "cnn", "data": "mnist", "epochs": 1, "batch_size": 100, "seeds": [0, 1], "threads": 2}
    return {
        **HEAD,
        "what": "training",
        "plan": {**settings, "channels_last": True, **plan},
        "summary": {"scratchconv": figures, "torch_ref": {**figures, "min_accuracy": 0.5}},
    }


def ladder() -> dict[str, Any]:
    """Two rungs in all directions."""
    rows = [
        {
            "layer": "CNN layer",
            "direction": direction,
            "rung": rung,
            "batch": batch,
            "error": error,
            "lines": lines,
            **TIMES,
            "gflops": speed,
            "share": speed / 250,
        }
        for rung, batch, error, lines, speed in (("naive", 2, 2e-8, 68, 2.5), ("direct", 100, 3e-7, 400, 225.0))
        for direction in DIRECTIONS
    ]
    return {**HEAD, "what": "ladder", **CEILINGS, "ladder": rows}


def kernels() -> dict[str, Any]:
    """One layer by two contenders, and one neighbour."""
    layer = {"layer": "CNN layer", "stride": 1, "channels": 16, "flop": 10**9, "bytes": 10**7, "error": 1e-7}
    layers = [
        {**layer, "direction": direction, "algorithm": algorithm, **TIMES, **SPEED, **ratio}
        for direction in DIRECTIONS
        for algorithm, ratio in (("direct", RATIO), ("PyTorch NCHW", {}))
    ]
    pool = {"operation": "max-pool", "error": 0.0, "error_other": 0.0, **TIMES, **RATIO, "other_ms": 3.0, "gbs": 50.0}
    return {**CEILINGS, "layers": layers, "neighbours": [pool]}


def sweep() -> dict[str, Any]:
    """One convolution."""
    conv = {"family": "VGG", "convolution": "3×3", "algorithm": "direct", "batch": 8}
    figures = {"error": 1e-7, "error_other": 2e-7, "other_gflops": 90.0}
    means = {
        "all": 1.5,
        "directions": dict.fromkeys(DIRECTIONS, 1.5),
        "families": {"VGG": 1.5},
        "worst": 1.4,
        "behind": [],
    }
    rows = [{**conv, **figures, "direction": direction, **TIMES, **SPEED, **RATIO} for direction in DIRECTIONS]
    return {"sweep": rows, "summary": means, "convolutions": 67}


def scaling() -> dict[str, Any]:
    """Two sizes with two values each."""
    point = {"error": 1e-7, "other_gflops": 90.0, **TIMES, **SPEED, **RATIO}
    rows = [
        {"varied": varied, "value": value, "direction": direction, **point}
        for varied, values in (("batch", (1, 8)), ("threads", (1, 2)))
        for value in values
        for direction in DIRECTIONS
    ]
    return {"scaling": rows, "base": {}}


def end_to_end() -> dict[str, Any]:
    """One training of each library."""
    runs = [
        {"library": "scratchconv", "seconds": 10.0, "peak_memory_mb": 300.0, "test_accuracy": 0.98},
        {"library": "PyTorch channels_last", "seconds": 40.0, "peak_memory_mb": 900.0, "test_accuracy": 0.97},
    ]
    share = {"time": {"median": 0.25, "max": 0.25}, "memory": {"median": 0.5, "max": 0.5}}
    first = {"cold": {"seconds": 15.0, "said_so": True}, "warm_seconds": [0.5, 0.75], "pytorch_seconds": [2.0]}
    return {"data": "mnist", "runs": runs, "summary": share, "first_step": first}


def everything() -> dict[str, dict[str, Any]]:
    """File name -> document, one of each kind."""
    bodies: dict[str, dict[str, Any]] = {
        "roofline": CEILINGS,
        "kernels": kernels(),
        "ladder": ladder(),
        "overhead": {"overhead": [{"operation": "relu", "part": "forward", "other_ms": 0.003, **TIMES, **RATIO}]},
        "steps": {"steps": [step("scratchconv eager"), step("PyTorch NCHW")], "notes": ["a note"]},
        "sweep": sweep(),
        "scaling": scaling(),
        "end-to-end": end_to_end(),
    }
    return {name: {**HEAD, "what": name, **body} for name, body in bodies.items()} | {"train-a": compared()}
