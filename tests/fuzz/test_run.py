"""The fuzzer runs, and finds what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_R_142_all_targets_stand_their_seeds_and_a_moment_of_fuzzing(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "tests.fuzz.run", "--seconds", "1", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_targets_are_named(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "tests.fuzz.run", "nonsense")
    assert done.returncode == 2
    assert "structure" in done.stderr


@pytest.mark.parametrize(
    ("target", "word"),
    [
        pytest.param("lambda data: 1 // 0", "ZeroDivisionError", id="exception"),
        pytest.param("lambda data: [None for _ in iter(int, 1) if _]", "took 0.1 s", id="hang"),
        pytest.param("lambda data: bytes(100_000_000)", "octets of memory", id="memory"),
    ],
)
def test_R_142_what_a_target_does_not_stand_is_kept(target: str, word: str, tmp_path: Path) -> None:
    script = (
        "import sys; from tests.fuzz import run, targets; run.HANG = 0.1\n"
        f"targets.TARGETS['bad'] = {target}; targets.SEEDS['bad'] = [b'seed']\n"
        "sys.argv = ['fuzz', '--seconds', '5', 'bad']; sys.exit(run.main())"
    )
    done = python(tmp_path, "-c", script)
    assert done.returncode == 1, done.stderr
    assert word in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["fuzz-bad.bin"]
