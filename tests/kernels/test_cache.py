"""The folder of compiled kernels: named after everything that machine code depends on, tidied, never in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scratchconv.kernels import _cache
from scratchconv.simd import _cpu

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources that the digest reads."""
    for layer in ("simd", "kernels"):
        shutil.copytree(ROOT / "scratchconv" / layer, tmp_path / layer, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder in use, and a process that has not looked for one yet."""
    monkeypatch.setenv("SCRATCHCONV_CACHE", str(tmp_path / "cache"))
    _cache.directory.cache_clear()
    yield tmp_path / "cache"
    _cache.directory.cache_clear()


def test_digest_of_equal_sources_is_equal(sources: Path) -> None:
    assert _cache.digest(sources) == _cache.digest()


@pytest.mark.parametrize("file", ["kernels/conv2d/_plan.py", "kernels/_jit.py", "simd/_tile.py"])
def test_digest_sees_an_edit_in_any_source(sources: Path, file: str) -> None:
    before = _cache.digest(sources)
    with open(sources / file, "a") as source:
        source.write("\n")
    assert _cache.digest(sources) != before


def test_digest_sees_new_removed_and_renamed_files(sources: Path) -> None:
    digests = [_cache.digest(sources)]
    (sources / "kernels" / "new.py").write_text("")
    digests.append(_cache.digest(sources))
    (sources / "kernels" / "new.py").rename(sources / "simd" / "new.py")
    digests.append(_cache.digest(sources))
    assert len(set(digests)) == 3
    (sources / "simd" / "new.py").unlink()
    assert _cache.digest(sources) == digests[0]


@pytest.mark.parametrize(
    ("name", "value"), [("name", "other"), ("features", frozenset({"avx2"})), ("vector_bytes", 1)], ids=str
)
def test_digest_sees_the_cpu(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _cache.digest()
    monkeypatch.setattr(_cpu, name, lambda: value)
    assert _cache.digest() != before


def test_digest_is_the_same_in_every_process() -> None:
    """Python orders sets of strings anew in each process; a digest that followed would never find its folder again."""
    code = "from scratchconv.kernels import _cache; print(_cache.digest())"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == _cache.digest(), done.stderr


def test_folder_is_made_and_used_again(fresh: Path) -> None:
    assert _cache.directory() == fresh / _cache.digest()
    os.utime(_cache.directory(), (0, 0))
    _cache.directory.cache_clear()
    assert _cache.directory().stat().st_mtime > 1e9  # being used keeps it from being the oldest


def test_old_folders_are_removed_the_newest_kept(fresh: Path) -> None:
    for age in range(6):
        folder = fresh / f"old{age}"
        folder.mkdir(parents=True)
        (folder / "kernel").write_text("")
        os.utime(folder, (1e9 - age, 1e9 - age))
    (fresh / "a file").write_text("")
    _cache.directory()
    assert {path.name for path in fresh.iterdir()} == {_cache.digest(), "old0", "old1", "old2", "a file"}


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCRATCHCONV_CACHE", str(tmp_path / "file"))
    _cache.directory.cache_clear()
    assert _cache.directory() == tmp_path / "file" / _cache.digest()
    _cache.directory.cache_clear()


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/scratchconv"),
        ("linux", {}, "{home}/.cache/scratchconv"),
        ("darwin", {}, "{home}/Library/Caches/scratchconv"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/scratchconv"),
        ("win32", {}, "{home}/scratchconv"),
        ("linux", {"SCRATCHCONV_CACHE": "/own", "XDG_CACHE_HOME": "/caches"}, "/own"),
    ],
)
def test_where_the_cache_is(
    platform: str, variables: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SCRATCHCONV_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert _cache.root() == Path(wanted.format(home=Path.home()))
