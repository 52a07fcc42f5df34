"""``python -m scratchconv`` is the same as the console script."""

from scratchconv.cli import app

__all__: list[str] = []

app(prog_name="scratchconv")
