"""Shared test settings: the hypothesis profile."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadline: the first call of a kernel compiles it. Few examples: each draws a whole geometry, and CI has two cores.
settings.register_profile("scratchconv", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("scratchconv")
