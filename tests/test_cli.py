"""The command line, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scratchconv as sc

ROOT = Path(__file__).parents[1]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "scratchconv", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("cli") / "run"
    done = run(
        "train",
        "cnn",
        "--data",
        "digits",
        "--epochs",
        "2",
        "--batch-size",
        "50",
        "--log-every",
        "20",
        "--out",
        str(out),
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout == f"scratchconv {sc.__version__}\n"


def test_help_lists_every_option() -> None:
    text = run("train", "--help").stdout
    for option in "data epochs batch-size lr seed threads out data-root log-every eager".split():
        assert f"--{option}" in text, option


def test_trains_in_plain_lines(trained: tuple[Path, str]) -> None:
    out, text = trained
    lines = text.splitlines()
    assert re.fullmatch(r"Epoch \[1/2\], Iter \[20/\d+\] Loss: \d+\.\d{4}", lines[0])
    assert re.fullmatch(r"Epoch \[2/2\] training loss .* test accuracy \d+\.\d\d %", lines[-2])
    assert lines[-1] == f"Saved in {out}"


def test_eager_is_kept_in_the_run(tmp_path: Path) -> None:
    for eager, options in ((True, ["--eager"]), (False, [])):
        out = tmp_path / str(eager)
        assert run("train", "cnn", *options, "--out", str(out)).returncode == 0
        assert json.loads((out / "config.json").read_text())["settings"]["eager"] is eager


def test_eval_repeats_the_score_of_the_training(trained: tuple[Path, str]) -> None:
    out, text = trained
    done = run("eval", str(out))
    assert done.returncode == 0, done.stderr
    (accuracy,) = re.findall(r"accuracy (\d+\.\d\d) %", text.splitlines()[-2])
    assert done.stdout.startswith(f"Test accuracy {accuracy} %, loss ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "resnet", "--data", "mnist"], "Error: data for resnet must be one of cifar10; got 'mnist'"),
        (["train", "cnn", "--out", "tests"], "Error: tests already exists and is not empty"),
        (["train", "cnn", "--threads", "100000"], "Error: the number of threads"),
        (["train", "cnn", "--lr", "-1"], "Error: lr must be positive"),
        (["eval", "no-such-run"], "Error: no-such-run is not a run folder"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_leaves_whole_files_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        command("train", "cnn", "--epochs", "1000", "--out", str(out)), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while not (out / "model.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert text.splitlines()[-1].startswith("Interrupted in epoch ") and text.rstrip().endswith(str(out))
    assert {file.name for file in out.iterdir()} == {"config.json", "metrics.jsonl", "model.safetensors"}
    assert all(json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines())
    assert run("eval", str(out)).returncode == 0


def test_first_step_comes_soon_once_kernels_are_compiled(trained: tuple[Path, str], tmp_path: Path) -> None:
    def seconds(name: str) -> float:
        start = time.time()
        assert run("train", "cnn", "--out", str(tmp_path / name)).returncode == 0
        first = json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[0])
        return float(first["time"]) - start

    # Once in a few times: other processes on the machine only ever add time.
    assert any(seconds(name) < 1.5 for name in "abcde")
