"""How long to measure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.timing import SAMPLE_SECONDS


@dataclass(frozen=True)
class Effort:
    """Rounds of all contenders, the length of a sample, and how many rows of a table to measure at most."""

    rounds: int
    sample_seconds: float = SAMPLE_SECONDS
    most: int = 1_000_000

    @property
    def quick(self) -> bool:
        """Whether figures are only there to show that everything works."""
        return self.most < 1_000_000

    def reduced(self) -> Effort:
        """As little as shows that everything works."""
        return replace(self, rounds=1, sample_seconds=1e-5, most=2)
