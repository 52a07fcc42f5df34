"""Training the article's networks, without the command line.

>>> from scratchconv.train import TrainConfig, fit
>>> result = fit(TrainConfig(model="cnn", data="digits", epochs=5))  # doctest: +SKIP
"""

from scratchconv.train._config import DataName, ModelName, TrainConfig
from scratchconv.train._evaluate import Score, evaluate, evaluate_run
from scratchconv.train._fit import Result, fit
from scratchconv.train._reporter import Reporter
from scratchconv.train._run import RunFolder

__all__ = [
    "DataName",
    "ModelName",
    "Reporter",
    "Result",
    "RunFolder",
    "Score",
    "TrainConfig",
    "evaluate",
    "evaluate_run",
    "fit",
]
