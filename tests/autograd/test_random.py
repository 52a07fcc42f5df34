from __future__ import annotations

import scratchconv as sc
from scratchconv.autograd import random


def test_a_seed_repeats_the_stream_of_every_function() -> None:
    def numbers() -> list[object]:
        sc.manual_seed(3)
        return [sc.randn(2).tolist(), sc.rand(2).tolist(), sc.randperm(5).tolist(), random.generator().random()]

    assert numbers() == numbers()


def test_other_seeds_give_other_numbers() -> None:
    sc.manual_seed(1)
    first = sc.randn(4).tolist()
    assert sc.randn(4).tolist() != first
    sc.manual_seed(2)
    assert sc.randn(4).tolist() != first


def test_manual_seed_returns_the_generator_in_use() -> None:
    assert sc.manual_seed(5) is random.generator()
