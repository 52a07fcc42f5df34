"""Fused convolutions as plain Python: every reading, gradient and target, by the checks of ``tests/ops``."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config

from tests.ops import test_fused_conv as checks
from tests.ops.fused import GRADIENTS, READINGS, TARGETS, layer_of
from tests.strategies import ConvGeometry

pytestmark = pytest.mark.skipif(not config.DISABLE_JIT, reason="plain Python only: set NUMBA_DISABLE_JIT=1")

LAYERS = {
    "direct": ConvGeometry(2, (5, 4), 3, (3, 3), 2, stride=(2, 1), padding=(1, 1)),
    "rows": ConvGeometry(1, (3, 16), 2, (2, 3), 3, padding=(1, 1)),
    "winograd": ConvGeometry(1, (4, 5), 3, (3, 3), 2, padding=(1, 1)),
    "winograd, stride 2": ConvGeometry(1, (5, 4), 3, (3, 3), 2, stride=(2, 2), padding=(1, 1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_reading_gradient_and_target(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scratchconv.backends.conv._algorithm", name.split(",")[0])
    for i, read in enumerate(READINGS):
        checks.check_forward(layer_of(LAYERS[name], np.float64), read)
        for given in GRADIENTS:
            checks.check_backward(layer_of(LAYERS[name], np.float64), read, given, TARGETS[(i + 1) % len(TARGETS)])
    for target in TARGETS:
        checks.check_backward(layer_of(LAYERS[name], np.float64), "activation", "plain", target)


def test_a_whole_gradient_is_received() -> None:
    checks.test_equal_parts_alone_are_what_backward_writes_together()
