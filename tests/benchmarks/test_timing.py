"""Turns, ratios and slow phases, with a clock that only moves when it is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from benchmarks import timing
from benchmarks.timing import Probe, Timing, rounds, sampler


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds

        return call


def fake_probe(*seconds: float) -> Probe:
    """A probe whose runs take these seconds, for ever from the first again."""
    clock, times = FakeClock(), itertools.cycle(seconds)
    probe = Probe(loop=lambda: clock.work(next(times))(), clock=clock)
    probe.best = min(seconds)
    return probe


def scripted(probe: Probe, answers: list[float]) -> Probe:
    """The same probe, but its next calls answer these seconds."""
    replies = iter(answers)
    probe.__class__ = type("Scripted", (Probe,), {"__call__": lambda self: next(replies)})
    return probe


def test_a_sampler_repeats_a_short_call_until_the_sample_is_long_enough() -> None:
    clock = FakeClock()
    calls = itertools.count()
    work = clock.work(1e-4)

    def call() -> None:
        next(calls)
        work()

    sample = sampler(call, 2e-3, clock)
    before = next(calls)
    assert sample() == pytest.approx(1e-4)
    assert next(calls) - before - 1 == 20


def test_a_sampler_makes_a_long_call_once() -> None:
    clock = FakeClock()
    sample = sampler(clock.work(0.5), 2e-3, clock)
    start = clock.now
    assert sample() == 0.5
    assert clock.now - start == 0.5


def test_ratios_compare_within_a_round_with_the_fastest_other() -> None:
    result = Timing({"ours": [1.0, 2.0, 1.0], "a": [3.0, 3.0, 9.0], "b": [2.0, 8.0, 4.0]}, [False] * 3, [1.0] * 3)
    assert result.ratios("ours", ["a", "b"]) == [2.0, 1.5, 4.0]
    summary = result.summary("ours", ["a", "b"], flop=4.0)
    assert summary["ratio"] == {"median": 2.0, "min": 1.5}
    assert summary["best_other"] == "a"  # by median: 3 against 4
    assert (summary["median_ms"], summary["fastest_ms"]) == (1000.0, 1000.0)
    assert summary["share"] == 4.0  # 4 flop in a second, beside a probe of 1 flop/s
    assert (summary["rounds"], summary["slow_rounds"], summary["disturbed"]) == (3, 0, False)


def test_slow_rounds_are_dropped_for_all_contenders() -> None:
    result = Timing({"ours": [1.0, 9.0, 1.0], "other": [2.0, 9.0, 3.0]}, [False, True, False], [1.0] * 3)
    assert result.kept == [0, 2]
    assert result.of("ours") == [1.0, 1.0] and result.of("other") == [2.0, 3.0]
    assert result.ratios("ours", ["other"]) == [2.0, 3.0]
    assert result.summary("ours")["slow_rounds"] == 1


def test_where_most_rounds_are_slow_all_count_and_that_is_said() -> None:
    result = Timing({"ours": [1.0, 2.0, 3.0]}, [True, True, False], [1.0] * 3)
    assert result.kept == [0, 1, 2]
    assert result.summary("ours")["disturbed"]


def test_a_probe_is_slow_above_its_best_by_fifteen_percent() -> None:
    probe = fake_probe(1.0)
    assert not probe.is_slow(1.14) and probe.is_slow(1.16)


def test_one_interrupt_is_not_a_slow_phase() -> None:
    probe = fake_probe(1.0, 5.0)  # of each two runs the faster counts
    assert probe() == 1.0


def test_rounds_take_turns_and_begin_with_another_contender() -> None:
    calls: list[str] = []

    def contender(name: str) -> Callable[[], float]:
        return lambda: calls.append(name) or 1.0

    result = rounds({name: contender(name) for name in "abc"}, 2, fake_probe(1.0), here=False)
    assert calls == ["a", "b", "c", "b", "c", "a"]
    assert result.slow == [False, False]
    assert result.peak == [pytest.approx(fake_probe(1.0).flop)] * 2


def test_slow_rounds_are_measured_again_but_not_for_ever() -> None:
    fast, slow = [1.0, 1.0], [1.0, 2.0]  # probes before and after the one contender
    probe = scripted(fake_probe(1.0), fast + slow + fast)
    assert rounds({"a": lambda: 1.0}, 2, probe, here=False).slow == [False, True, False]
    probe = scripted(fake_probe(1.0), slow * 4)
    assert rounds({"a": lambda: 1.0}, 2, probe, here=False).slow == [True] * 4


def test_a_contender_that_waits_for_its_core_makes_a_slow_round() -> None:
    clock, busy_clock = FakeClock(), FakeClock()

    def waits() -> float:
        clock.now += 2e-3
        return 1.0

    def works() -> float:
        busy_clock.now += 2e-3
        return waits()

    def slow(contender: Callable[[], float], here: bool) -> list[bool]:
        return rounds({"a": contender}, 1, fake_probe(1.0), here=here, clock=clock, busy_clock=busy_clock).slow

    assert slow(waits, here=True) == [True, True]
    assert slow(works, here=True) == [False]
    assert slow(waits, here=False) == [False]  # another process works meanwhile
    assert timing.was_interrupted(2e-3, 1e-3) and not timing.was_interrupted(1.1e-3, 1e-3)


def test_a_real_probe_runs_on_several_threads() -> None:
    probe = Probe(threads=2)
    seconds = probe()
    assert 0 < probe.best <= seconds


def test_rounding_keeps_four_digits() -> None:
    assert timing.rounded(1234567.0) == 1235000.0 and timing.rounded(0.000123456) == 0.0001235
