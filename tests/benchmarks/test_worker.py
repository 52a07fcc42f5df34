"""Contenders in processes of their own."""

from __future__ import annotations

import io
import json

import pytest

from benchmarks import worker
from benchmarks.convolution import DIRECTIONS, TOLERANCE, Shape
from benchmarks.worker import STEP, Remote, remotes, serve

NETWORK = {"model": "cnn", "what": "inference", "batch": 2, "threads": 1, "turn_seconds": 1e-4}


def test_serves_a_convolution_direction_by_direction() -> None:
    work = {
        "shape": vars(Shape("small", 1, 6, 4, 4, 3)),
        "contender": "scratchconv",
        "threads": 1,
        "turn_seconds": 1e-5,
    }
    out = io.StringIO()
    serve(work, ["forward\n", "weight gradient\n"], out)
    values, *seconds = map(json.loads, out.getvalue().splitlines())
    assert list(values) == list(DIRECTIONS) and all(0 <= error < TOLERANCE for (error,) in values.values())
    assert len(seconds) == 2 and min(seconds) > 0


def test_serves_a_network_of_either_library() -> None:
    for contender in ("scratchconv eager", "PyTorch NCHW"):
        out = io.StringIO()
        serve({**NETWORK, "contender": contender}, [f"{STEP}\n"], out)
        values, seconds = map(json.loads, out.getvalue().splitlines())
        assert len(values[STEP]) == 20 and seconds > 0


def test_a_real_process_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.0)
    with remotes({"ours": {**NETWORK, "contender": "scratchconv eager"}}) as running:
        assert len(running["ours"].first_values[STEP]) == 20
        assert running["ours"].sample(STEP) > 0


def test_a_process_that_fails_says_so() -> None:
    remote = Remote({"contender": "nobody"})
    with pytest.raises(RuntimeError, match="the worker ended with code 1"):
        remote.first_values  # noqa: B018
    remote.close()
