"""A few kills of each command; docs/trust.md has the command for a hundred."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TIMES = {"convert": 4, "fetch": 4, "fit": 4, "compare": 2, "benchmark": 2, "training": 2}
TIMES |= dict.fromkeys(("edit", "refine", "name", "invert", "demo"), 2)
MARKED = [
    pytest.param(verb, marks=pytest.mark.download if verb == "training" else ()) for verb in TIMES
]


@pytest.mark.parametrize("verb", MARKED)
def test_a_killed_command_runs_again_as_if_nothing_had_been(verb):
    done = subprocess.run(
        [sys.executable, str(HERE / "kills.py"), verb, "--times", str(TIMES[verb])],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert f"{verb}: " in done.stdout
