"""Whoever reads stdout or stderr may leave while the command works."""

import os
import subprocess
import sys

PROGRAM = """
import sys, time
from panda import progress
from panda.cli import main
progress.PAUSE = 0.0
sys.exit(main(sys.argv[1:]))
"""


def test_a_fit_goes_to_its_end_when_nobody_reads_its_progress(tmp_path):
    out = tmp_path / "factors"
    words = ["fit", "mini-stylegan2-faces-64", "4.conv1", "--seeds", "0-99", "--parts", "2"]
    environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words, "--out", str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stderr.read(1)
    process.stderr.close()
    assert process.wait() == 0
    assert (out / "config.json").is_file()


def test_a_list_whose_reader_leaves_ends_quietly():
    process = subprocess.Popen(
        [sys.executable, "-m", "panda", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, said = process.communicate()
    assert (process.returncode, said) == (0, b"")
