"""How exact each convolution algorithm is: its float32 error as a multiple of PyTorch's.

``python -m tests.parity.conv_error`` measures all of it and writes the table of the convolution kernels' README.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scratchconv as sc
from torch_ref.parity.evaluate import run
from torch_ref.parity.measure import error, ratio

README = Path(sc.__file__).parent / "kernels" / "conv2d" / "README.md"
MARKERS = "<!-- begin errors -->", "<!-- end errors -->"
CHANNELS = (16, 32, 64, 128, 256, 512)
IMAGES = ((8, 7), (4, 14))  # batch, height and width
DIRECTIONS = ("forward", "dx", "dw")


def ratios(taps: int, channels: int, algorithm: Any, precision: Any, stride: int = 1) -> dict[str, float]:
    """The largest multiple of PyTorch's RMS error, for two sizes of image, standard normal inputs and their ReLU."""
    previous = sc.backends.conv.algorithm, sc.backends.conv.precision
    sc.backends.conv.algorithm, sc.backends.conv.precision = algorithm, precision
    worst = dict.fromkeys(DIRECTIONS, 0.0)
    try:
        for batch, size in IMAGES:
            rng = np.random.default_rng(0)
            x, w = (
                rng.standard_normal((batch, channels, size, size)),
                rng.standard_normal((channels, channels, taps, taps)),
            )
            for image in (x, np.maximum(x, 0)):
                for direction, found in _one(image.astype(np.float32), w.astype(np.float32), stride).items():
                    worst[direction] = max(worst[direction], found)
    finally:
        sc.backends.conv.algorithm, sc.backends.conv.precision = previous
    return worst


def _one(x: np.ndarray, w: np.ndarray, stride: int) -> dict[str, float]:
    def conv2d(lib: Any, a: Any, b: Any) -> Any:
        return lib.nn.functional.conv2d(a, b, stride=stride, padding=w.shape[2] // 2)

    exact = run(torch, conv2d, {"x": x.astype(np.float64), "w": w.astype(np.float64)}).by_direction()
    ours, theirs = (run(lib, conv2d, {"x": x, "w": w}).by_direction() for lib in (sc, torch))
    return {
        name: ratio(error(ours[name], exact[name]), error(theirs[name], exact[name]), np.float32).rms
        for name in DIRECTIONS
    }


def table() -> str:
    """All measurements, in Markdown."""
    layers = {"3x3": (3, 1), "3x3, stride 2,": (3, 2), "5x5": (5, 1)}
    hows = {"direct": ("direct", "exact"), "exact": ("winograd", "exact"), "fast": ("winograd", "fast")}
    columns = list(product(layers, hows))
    names = [f"{layer} {how}" for layer, how in columns]
    lines = [f"| channels | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    for channels in CHANNELS:
        cells = []
        for layer, how in columns:
            taps, stride = layers[layer]
            cells.append(" / ".join(f"{r:.1f}" for r in ratios(taps, channels, *hows[how], stride).values()))
        lines.append(f"| {channels} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Write the table between its markers."""
    begin, end = MARKERS
    before, rest = README.read_text().split(begin)
    _, after = rest.split(end)
    README.write_text(f"{before}{begin}\n\n{table()}\n\n{end}{after}")


if __name__ == "__main__":
    main()
