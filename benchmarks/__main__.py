"""Entry point of ``python -m benchmarks``."""

from benchmarks.machine import keep_freed_memory

if __name__ == "__main__":
    keep_freed_memory()  # before PyTorch or NumPy allocate anything that counts
    from benchmarks.cli import app

    app(prog_name="python -m benchmarks")
