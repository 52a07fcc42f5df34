from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from scratchconv.data.idx import read_idx
from scratchconv.data.storage import DataError
from tests.data.files import idx


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


def test_reads_plain_and_gzipped(tmp_path: Path, array: np.ndarray) -> None:
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("a", "a.gz"):
        np.testing.assert_array_equal(read_idx(tmp_path / name, ndim=3), array)


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    np.testing.assert_array_equal(read_idx(tmp_path / "a", ndim=2), [[1, 2, 3], [4, 5, 6]])


def test_the_wrong_kind_of_file(tmp_path: Path, array: np.ndarray) -> None:
    (tmp_path / "labels").write_bytes(idx(array[0, 0]))
    with pytest.raises(DataError, match=r"labels is not an IDX file .* 3 axes.*'00 00 08 01'.*'00 00 08 03'"):
        read_idx(tmp_path / "labels", ndim=3)
    (tmp_path / "page").write_bytes(b"<html>404</html>")
    with pytest.raises(DataError, match="page is not an IDX file"):
        read_idx(tmp_path / "page", ndim=1)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DataError, match="empty is not an IDX file"):
        read_idx(tmp_path / "empty", ndim=1)


@pytest.mark.parametrize("change", [-1, 1])
def test_too_short_or_too_long(tmp_path: Path, array: np.ndarray, change: int) -> None:
    content = idx(array)
    (tmp_path / "a").write_bytes(content[:change] if change < 0 else content + b"\0")
    with pytest.raises(DataError, match=rf"a is damaged: .*\(5, 4, 3\), 76 bytes in all, but it has {76 + change}"):
        read_idx(tmp_path / "a", ndim=3)


def test_damaged_gzip(tmp_path: Path, array: np.ndarray) -> None:
    content = gzip.compress(idx(array))
    flipped = content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]  # in the checksum at the end
    for name, damaged in (("cut.gz", content[:-10]), ("flipped.gz", flipped), ("other.gz", b"<html>")):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError, match=f"{name} is damaged"):
            read_idx(tmp_path / name, ndim=3)
