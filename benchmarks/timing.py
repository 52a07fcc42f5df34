"""Times of several contenders that take turns, and whether the machine kept still meanwhile.

A round times every contender once. The figure that counts is a *ratio within a round*: a slow phase of the machine
meets all contenders of the round alike. Between two contenders a fixed loop of multiply-adds is timed as well. Where it
takes over 15 % longer than it ever did in this process, or where a contender got less processor time than time went by,
the round lies in a slow phase. Such rounds are repeated, at most as many again; then they are dropped, for all
contenders alike, unless most rounds were slow: then all are kept. Either way the result says how many there were.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from benchmarks.loops import Fma

SAMPLE_SECONDS = 2e-3  # a call is repeated until it takes this long: far above the clock's resolution
SLOW = 1.15  # a probe this many times its best marks a slow phase

Sampler = Callable[[], float]
Clock = Callable[[], float]


class Probe:
    """How fast the machine is now, from a loop on registers that nothing but the machine can slow down.

    With several ``threads`` each of them runs the loop, and the slowest counts: another process on one of the cores
    shows. That loop is longer, for threads take a while to start.
    """

    def __init__(
        self, threads: int = 1, loop: Callable[[], object] | None = None, clock: Clock = time.perf_counter
    ) -> None:
        own = Fma(100_000 if threads == 1 else 1_500_000)
        self._threads, self._loop, self._clock = threads, loop or own, clock
        self._pool = ThreadPoolExecutor(threads)
        self.flop = threads * own.flop
        self.best = float("inf")
        self()  # the first call compiles the loop
        self.best = float("inf")
        for _ in range(5):
            self()

    def __call__(self) -> float:
        """Seconds of the loop: the faster of two runs, so that one interrupt is not a slow phase."""
        run = self._loop if self._threads == 1 else self._together
        seconds = min(time_call(run, self._clock) for _ in range(2))
        self.best = min(self.best, seconds)
        return seconds

    def _together(self) -> None:
        for running in [self._pool.submit(self._loop) for _ in range(self._threads)]:
            running.result()

    def is_slow(self, seconds: float) -> bool:
        """Whether a probe fell into a slow phase."""
        return seconds > SLOW * self.best


def time_call(call: Callable[[], object], clock: Clock = time.perf_counter, repeats: int = 1) -> float:
    """Seconds of one call, from ``repeats`` of them."""
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def sampler(call: Callable[[], object], seconds: float = SAMPLE_SECONDS, clock: Clock = time.perf_counter) -> Sampler:
    """Return a function that times ``call``, repeated as often as fills ``seconds``; warms it up first."""
    call()
    repeats = 1
    while (once := time_call(call, clock, repeats)) * repeats < seconds / 2 and repeats < 1_000_000:
        repeats = max(2 * repeats, min(1_000_000, int(seconds / max(once, 1e-9))))
    repeats = max(1, round(seconds / max(once, 1e-9)))
    return lambda: time_call(call, clock, repeats)


@dataclass
class Timing:
    """Seconds of each contender in each round, which rounds fell into a slow phase, and the FMA peak meanwhile."""

    seconds: dict[str, list[float]]
    slow: list[bool] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)  # flop/s of the probe, in each round

    @property
    def kept(self) -> list[int]:
        """The rounds that count: those outside slow phases, or all if most were slow."""
        good = [i for i, slow in enumerate(self.slow) if not slow]
        return good if 2 * len(good) >= len(self.slow) else list(range(len(self.slow)))

    def of(self, name: str) -> list[float]:
        """Seconds of one contender in the rounds that count."""
        return [self.seconds[name][i] for i in self.kept]

    def median(self, name: str) -> float:
        """Median seconds of one contender."""
        return statistics.median(self.of(name))

    def fastest(self, name: str) -> float:
        """Fewest seconds of one contender."""
        return min(self.of(name))

    def ratios(self, name: str, against: Iterable[str]) -> list[float]:
        """In each round: seconds of the fastest of ``against``, over those of ``name``. Above 1, ``name`` wins."""
        others = [self.of(other) for other in against]
        return [min(other) / mine for mine, *other in zip(self.of(name), *others, strict=True)]

    def shares(self, name: str, flop: float) -> list[float]:
        """In each round: flop/s of one contender over those of the probe beside it (clock rates come and go)."""
        return [flop / seconds / self.peak[i] for seconds, i in zip(self.of(name), self.kept, strict=True)]

    def summary(self, name: str, against: Sequence[str] = (), flop: float = 0) -> dict[str, Any]:
        """Times in milliseconds, ratios and speed of a call of ``flop`` operations on one thread, ready for JSON."""
        line: dict[str, Any] = {
            "median_ms": rounded(1e3 * self.median(name)),
            "fastest_ms": rounded(1e3 * self.fastest(name)),
            "rounds": len(self.slow),
            "slow_rounds": sum(self.slow),
            "disturbed": 2 * sum(self.slow) > len(self.slow),  # most rounds were slow, so all were kept
        }
        if flop:
            line["gflops"] = rounded(flop / self.median(name) / 1e9)
            line["share"] = rounded(statistics.median(self.shares(name, flop)))
        if against:
            ratios = self.ratios(name, against)
            line["ratio"] = {"median": rounded(statistics.median(ratios)), "min": rounded(min(ratios))}
            line["best_other"] = min(against, key=self.median)
        return line


def rounds(
    samplers: Mapping[str, Sampler],
    count: int,
    probe: Probe,
    *,
    here: bool = True,
    clock: Clock = time.perf_counter,
    busy_clock: Clock = time.process_time,
) -> Timing:
    """Time all contenders in ``count`` rounds, each round starting with another one.

    Rounds in slow phases are repeated, up to ``count`` more. Where contenders work ``here``, in this process, a round
    in which the core was taken away from one of them (``busy_clock`` stood while ``clock`` went on) is slow too.
    """
    names = list(samplers)
    timing = Timing({name: [] for name in names})
    while timing.slow.count(False) < count and len(timing.slow) < 2 * count:
        turn = len(timing.slow) % len(names)
        probes = [probe()]
        interrupted = False
        for name in names[turn:] + names[:turn]:
            wall, busy = clock(), busy_clock()
            timing.seconds[name].append(samplers[name]())
            wall, busy = clock() - wall, busy_clock() - busy
            interrupted |= here and was_interrupted(wall, busy)
            probes.append(probe())
        timing.slow.append(interrupted or probe.is_slow(max(probes)))
        timing.peak.append(probe.flop / statistics.median(probes))
    return timing


def was_interrupted(wall: float, busy: float) -> bool:
    """Whether a process that worked for ``busy`` seconds in ``wall`` seconds had to wait for its core."""
    return wall > SLOW * busy and wall - busy > 1e-4


def rounded(value: float) -> float:
    """Four significant digits: more would be noise in a committed file."""
    return float(f"{value:.4g}")
