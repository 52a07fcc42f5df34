"""Entry point of ``python -m torch_ref``."""

from torch_ref.cli import app

if __name__ == "__main__":
    app(prog_name="python -m torch_ref")
