"""The table of cases covers what the report promises, and each case runs in PyTorch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from torch_ref.parity.case import Case
from torch_ref.parity.cases import CASES
from torch_ref.parity.evaluate import run_case


def test_names_are_unique() -> None:
    assert [key for key, count in Counter((case.op, case.geometry) for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}: {case.geometry}")
def test_case_is_well_formed(case: Case) -> None:
    result = run_case(torch, case, np.float64, seed=0)
    assert set(result.outputs) == set(case.outputs)
    assert all(np.all(np.isfinite(array)) for array in result.by_direction().values())
    if not case.op.startswith(("SGD", "Adam")):
        floating = {name for name, array in case.draw(0).items() if array.dtype.kind == "f"}
        assert set(result.gradients) == floating - case.frozen
        assert all(np.any(array != 0) for array in result.gradients.values())
