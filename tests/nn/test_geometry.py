from __future__ import annotations

from scratchconv.nn._geometry import padding_problem


def test_numbers_and_fitting_names_are_no_problem() -> None:
    for padding, stride in (("same", (1, 1)), ("valid", (2, 2)), (3, (2, 2)), ((5, 5), (2, 2))):
        assert padding_problem(padding, stride) is None


def test_unknown_names_and_strides_are_named() -> None:
    assert "'circular'" in str(padding_problem("circular", (1, 1)))
    assert "stride=(1, 2)" in str(padding_problem("same", (1, 2)))
