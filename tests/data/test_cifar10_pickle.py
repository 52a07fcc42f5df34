from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from scratchconv.data import CIFAR10, DataError
from scratchconv.data.cifar10_pickle import read_pickled_records
from tests.data.files import cifar_batches, cifar_binary, cifar_pickle


class Attack:
    """Asks, when unpickled, for a file to be made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.path), "w")


@pytest.mark.filterwarnings("ignore:dtype", "ignore:numpy.core")  # what NumPy says of pickles that NumPy 1 wrote
def test_the_test_files_are_what_pickle_takes_for_a_batch() -> None:
    pixels, labels = cifar_batches(3)["test_batch"]
    batch = pickle.loads(cifar_pickle(pixels, labels), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], pixels)
    assert batch["labels"] == labels.tolist()


def test_gives_the_records_of_the_binary_version(tmp_path: Path) -> None:
    batch = cifar_batches(3)["test_batch"]
    (tmp_path / "batch").write_bytes(cifar_pickle(*batch))
    assert read_pickled_records(tmp_path / "batch") == cifar_binary(*batch)


def test_nothing_that_a_pickle_asks_for_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    attack = pickle.dumps({"data": Attack(tmp_path / "made"), "labels": []})
    (folder / "test_batch").write_bytes(attack)
    with pytest.raises(DataError, match=r"test_batch is damaged: .*asks for .*open, which no CIFAR-10 batch needs"):
        CIFAR10(tmp_path, train=False)
    assert not (tmp_path / "made").exists()
    pickle.loads(attack)["data"].close()
    assert (tmp_path / "made").exists()  # the attack is a real one


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", cifar_pickle(*cifar_batches(2)["test_batch"])[:-100], pickle.dumps({"data": 1}), pickle.dumps(3)],
    ids=["empty", "not a pickle", "cut", "other data", "other type"],
)
def test_files_that_are_no_batch(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(KeyError, match="not a CIFAR-10 batch"):
        read_pickled_records(tmp_path / "batch")
