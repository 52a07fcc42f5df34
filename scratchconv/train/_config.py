"""What a run is told."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

ModelName = Literal["cnn", "resnet"]
DataName = Literal["digits", "mnist", "fashion-mnist", "cifar10"]

# The article's CNN reads 1 × 28 × 28 images, its ResNet 3 × 32 × 32.
DATA_FOR: dict[ModelName, tuple[DataName, ...]] = {
    "cnn": ("digits", "mnist", "fashion-mnist"),
    "resnet": ("cifar10",),
}


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one training run; the defaults are the article's, on data that need no download.

    Parameters
    ----------
    model, data
        One of ``ModelName``, and a ``DataName`` whose images that model reads.
    epochs, batch_size, lr
        Passes over the training data, images a step (the last batch may be smaller), Adam's learning rate.
    seed
        Seeds the initial weights, the shuffling and the augmentation.
    threads
        Threads for the kernels; None leaves the setting alone. Results do not depend on it.
    out
        The run folder; None means ``runs/<model>-<data>-<time>``.
    data_root
        Where data sets are kept; None means the library's default folder.
    log_every
        Iterations from one printed line to the next.
    eager
        Run operation by operation instead of compiling the model (``sc.compile``).

    Raises
    ------
    ValueError
        If a setting is outside its legal values; the message names them.
    """

    model: ModelName = "cnn"
    data: DataName = "digits"
    epochs: int = 1
    batch_size: int = 100
    lr: float = 1e-3
    seed: int = 0
    threads: int | None = None
    out: Path | None = None
    data_root: Path | None = None
    log_every: int = 100
    eager: bool = False

    def __post_init__(self) -> None:
        _one_of("model", self.model, get_args(ModelName))
        _one_of("data", self.data, get_args(DataName))
        _one_of(f"data for {self.model}", self.data, DATA_FOR[self.model])
        for name in ("epochs", "batch_size", "log_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if not self.lr > 0:
            raise ValueError(f"lr must be positive, got {self.lr!r}")

    def folder(self) -> Path:
        """Name the run folder: ``out``, or a name made of model, data and the present time."""
        time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        return Path(self.out or Path("runs", f"{self.model}-{self.data}-{time}"))

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON values; ``from_json`` reads them back."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """Return the settings that ``as_json`` wrote."""
        paths = {name: Path(values[name]) for name in ("out", "data_root") if values.get(name) is not None}
        return cls(**(values | paths))


def _one_of(name: str, value: object, legal: tuple[str, ...]) -> None:
    """Raise unless ``value`` is legal."""
    if value not in legal:
        raise ValueError(f"{name} must be one of {', '.join(legal)}; got {value!r}")
