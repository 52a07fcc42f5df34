"""The loading benchmark: equal work on both sides, then time."""

from __future__ import annotations

import pytest

from benchmarks import data_loading
from benchmarks.timing import Probe
from scratchconv.data import transforms


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_loading, "BATCH", 4)
    monkeypatch.setattr(data_loading, "IMAGES", 10)


@pytest.mark.parametrize("name", data_loading.PIPELINES)
def test_both_libraries_load_the_same(name: str, probe: Probe) -> None:
    timing = data_loading.measure(name, 4, probe)  # more batches than an epoch has
    assert list(timing.seconds) == ["scratchconv", "torchvision"] and timing.fastest("scratchconv") > 0


def test_refuses_to_time_different_work(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    def steps(library: object) -> list[object]:
        both = [transforms.ToTensor(), lambda images: 2 * images]
        return both if library is transforms else [data_loading.torchvision_transforms.ToTensor()]

    monkeypatch.setitem(data_loading.PIPELINES, "MNIST, ToTensor", (data_loading.GREY, steps))
    with pytest.raises(RuntimeError, match="the first batches differ by"):
        data_loading.measure("MNIST, ToTensor", 1, probe)
