"""Fits by several real processes, and fits that are killed and resume."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MINI

from panda import PandaError
from panda.factorization import processes
from panda.factorization.factors import Factors
from panda.factorization.fit import fit

SCRIPT = str(Path(__file__).with_name("fit_tiny.py"))
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python"]


def run(out, launcher=(), **environment):
    """Fit 160 samples, which are five blocks; returns the exit status and what was said."""
    tests = str(Path(__file__).parent.parent)  # where conftest lies
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": tests, **environment}
    arguments = ["fit", "tiny", "c", "--parts", "4", "--seeds", "0-159", "--out", str(out)]
    command = [*launcher, sys.executable, SCRIPT, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What undisturbed fits by 1, 2, 4 and 6 processes wrote; of six, one has no samples."""
    folder = tmp_path_factory.mktemp("whole")
    status, said = run(folder / "{}", PROCESSES="1,2,4,6")
    assert status == 0, said
    assert said.count("loss 0.") == 4
    return folder


def differences(one, two):
    """How far the tensors of two folders are apart, as fractions of the largest entries."""
    first, second = (Factors.load(folder)._tensors() for folder in (one, two))
    return {
        name: float((second[name] - tensor).abs().max() / tensor.abs().max())
        for name, tensor in first.items()
    }


@pytest.mark.parametrize("count", [2, 4, 6])
def test_any_number_of_processes_gives_the_same_factors(whole, count):
    assert max(differences(whole / "1", whole / str(count)).values()) < 1e-6
    one, other = (Factors.load(whole / str(n)).config for n in (1, count))
    assert other["processes"] == count
    for name in ("energy_per_sample", "energy_discarded"):
        assert other[name] == pytest.approx(one[name], rel=1e-9)


def test_processes_agree_where_most_channels_are_never_seen(tmp_path):
    """A part of 64 samples sees 64 of 128 axes; the rest of its axes is rounding's."""
    fitted = ["-m", "panda", "fit", MINI, "16.conv1", "--parts", "1", "--seeds", "0-63", "--out"]
    for count in ("1", "2"):
        command = [*TORCHRUN[:3], "--standalone", "--nproc-per-node", count, *fitted]
        variables = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, str(tmp_path / count)], env=variables, check=True, timeout=600)
    assert max(differences(tmp_path / "1", tmp_path / "2").values()) < 1e-6


def test_only_factors_are_left(whole):
    assert sorted(path.name for path in whole.iterdir()) == ["1", "2", "4", "6"]


def test_a_killed_fit_resumes_and_ends_with_the_same_factors(whole, tmp_path):
    assert run(tmp_path / "f", DIE_AT="140")[0] == -signal.SIGKILL
    journal = tmp_path / ".f.fit"
    with (journal / "0-of-1.samples").open("ab") as file:
        file.write(b"half a block")
    status, said = run(tmp_path / "f")
    assert status == 0, said
    assert f"{journal} has 128 samples of this process; resuming" in said
    assert set(differences(whole / "1", tmp_path / "f").values()) == {0.0}
    assert not journal.exists()


def test_a_lost_process_ends_the_run_which_then_resumes(whole, tmp_path):
    status, said = run(tmp_path / "2", TORCHRUN, DIE_AT="140")
    assert status != 0
    assert "lost another process" in said or "was terminated" in said
    assert "run the same command again to resume" in said
    status, said = run(tmp_path / "{}", PROCESSES="2")
    assert status == 0, said
    assert "resuming" in said
    assert set(differences(whole / "2", tmp_path / "2").values()) == {0.0}


def test_a_process_that_hangs_is_waited_for_no_longer_than_the_limit(tmp_path):
    status, said = run(tmp_path / "f", PROCESSES="2", DIE_AT="140", DIE_HOW="STOP", TIMEOUT="2")
    assert status != 0
    assert "process 1 lost another process, or waited too long for it" in said


def test_the_paper_rule_is_for_one_process(tiny, monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(PandaError, match="one sample after the other: run it in one process"):
        fit(tiny, "a", solver="paper")
