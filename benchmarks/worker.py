"""A contender in a process of its own: for several threads, where idle pools of one library disturb the other.

``Remote`` starts ``python -m benchmarks.worker`` with a JSON description of the work. The worker says what each of its
calls computed first, for the check; then, for each call it is told to make, it makes it for a while and answers with
the seconds of one.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

STEP = "step"  # the one call of a network's worker
TURN_SECONDS = 0.2  # a turn is long enough that starting the threads again does not matter
PAUSE = 0.02  # seconds before a turn, in which the other library's threads stop waiting actively


class Remote:
    """A process that takes turns when it is told."""

    def __init__(self, work: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", json.dumps(work)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @functools.cached_property
    def first_values(self) -> dict[str, list[float]]:
        """For each call, what it computed when it was made first."""
        return dict(self._answer())

    def sample(self, call: str) -> float:
        """Seconds of a call, from one turn."""
        time.sleep(PAUSE)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{call}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with code {self._process.wait()}: {self._process.args!r}")
        return json.loads(line)


@contextmanager
def remotes(works: dict[str, dict[str, Any]]) -> Iterator[dict[str, Remote]]:
    """Start a process for each contender, and end them all."""
    running: dict[str, Remote] = {}
    try:
        for name, work in works.items():
            running[name] = Remote(work)
        yield running
    finally:
        for remote in running.values():
            remote.close()


def serve(work: dict[str, Any], commands: Iterable[str], out: TextIO) -> None:
    """Do what :class:`Remote` asks for until ``commands`` end."""
    import torch

    import scratchconv as sc
    from benchmarks import convolution, networks
    from benchmarks.timing import sampler

    contender, threads = work["contender"], work["threads"]
    ours = contender.startswith("scratchconv")
    sc.set_num_threads(threads if ours else 1)
    torch.set_num_threads(1 if ours else threads)
    calls: dict[str, Any] = {}
    values: dict[str, list[float]] = {}
    if "shape" in work:
        for direction in convolution.DIRECTIONS:
            built = convolution.build(convolution.Shape(**work["shape"]), direction, contender)
            calls[direction], values[direction] = built
    else:
        network = networks.Work(work["model"], work["what"], work["batch"])
        calls[STEP] = networks.build(network, contender)
        values[STEP] = networks.first_values(network, calls[STEP])
    print(json.dumps(values), file=out, flush=True)
    samplers = {name: sampler(call, work["turn_seconds"]) for name, call in calls.items()}
    for name in map(str.strip, commands):
        calls[name]()
        print(json.dumps(samplers[name]()), file=out, flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]), sys.stdin, sys.stdout)
