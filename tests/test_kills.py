"""A few kills of each command; docs/trust.md has the command for a hundred."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TIMES = {"convert fetch fit": 4, "edit refine name invert demo": 2, "compare benchmark": 2}
MARKED = [*TIMES.items(), pytest.param("training", 2, marks=pytest.mark.download)]


@pytest.mark.parametrize(("verbs", "times"), MARKED)
def test_a_killed_command_runs_again_as_if_nothing_had_been(verbs, times):
    done = subprocess.run(
        [sys.executable, str(HERE / "kills.py"), *verbs.split(), "--times", str(times)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert all(f"{verb}: " in done.stdout for verb in verbs.split())
