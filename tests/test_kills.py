"""A few kills of each command; docs/trust.md has the command for a hundred."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("verb", ["convert", "fetch", "fit"])
def test_a_killed_command_runs_again_as_if_nothing_had_been(verb):
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run(
        [sys.executable, str(script), verb, "--times", "6"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{verb}: " in done.stdout
