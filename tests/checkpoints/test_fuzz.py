"""A few mutants of every container and network; docs/trust.md has the command for thousands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attacks import REFUSED
from small_files import CONTAINERS

from panda import PandaError
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.files.npy import read_npy
from panda.generators.registry import recognize

HERE = Path(__file__).parent


def test_mutants_are_read_or_refused_in_a_sentence_and_do_no_harm(tmp_path):
    """A process for all: each container in its turn, under an audit hook and limits."""
    program = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from fuzz import fuzz
from guard import Guard
from small_files import CONTAINERS
report, guard = {{}}, None
for name in CONTAINERS:
    (write, entry, read), folder = CONTAINERS[name], Path({str(tmp_path)!r}) / name
    folder.mkdir()
    write(folder)
    read(folder / entry)
guard = Guard()
for name in CONTAINERS:
    report[name] = fuzz(name, 40, 1, Path({str(tmp_path)!r}) / "work" / name, guard)
print(json.dumps(report))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() == CONTAINERS.keys()
    for name, facts in report.items():
        assert facts["problems"] == [], name
        assert facts["refused"] > 0, name
        assert facts["mebibytes"] < 1024


def test_names_of_any_length_do_not_make_long_sentences(tmp_path):
    """Found by mutants of the two containers."""
    long = "9" * 5000
    write, _, read = CONTAINERS["openvino"]
    write(tmp_path)
    file = tmp_path / "net.xml"
    file.write_text(file.read_text().replace('from-layer="0"', f'from-layer="{long}"', 1))
    with pytest.raises(PandaError, match="an edge joins unknown layers 9+ [.]{3} 9+") as refused:
        read(tmp_path)
    assert len(str(refused.value)) < 650
    write, _, read = CONTAINERS["factors"]
    (tmp_path / "factors").mkdir()
    write(tmp_path / "factors")
    file = tmp_path / "factors" / "config.json"
    file.write_text(file.read_text().replace('"height"', f'"{long}"'))
    with pytest.raises(PandaError, match="config.json is not that of factors") as refused:
        read(tmp_path / "factors")
    assert len(str(refused.value)) < 650


def test_the_corpus_is_large():
    assert len(REFUSED) > 180


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY\x01\x00\x0e\x00{'descr': '<f4'",
        b"\x93NUMPY\x01\x00\x06\x00((((((",
        b"PK\x03\x04",
        b"",
    ],
)
def test_a_damaged_npy_file_is_one_sentence(tmp_path, data):
    """NumPy's reader lets a tokenizer's own error through, and takes a zip for many arrays."""
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(PandaError, match=r"x\.npy is not a plain \.npy matrix of floats"):
        read_npy(tmp_path / "x.npy")


def test_an_npy_file_that_declares_more_than_it_has_is_refused(tmp_path):
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999), }\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(PandaError, match="is damaged: it does not have 99999 x 99999 values"):
        read_npy(tmp_path / "x.npy")


def test_a_clamp_beyond_all_numbers_is_refused_before_an_image_is_made():
    good = read_checkpoint(HERE.parent / "goldens" / "stylegan2-ada-cond" / "network.pkl")
    arguments = {**good.config["synthesis_kwargs"], "conv_clamp": 1 << 80}
    bad = Checkpoint("x", good.tensors, {**good.config, "synthesis_kwargs": arguments})
    with pytest.raises(PandaError, match="conv_clamp=1208925819614629174706176, expected"):
        recognize(bad)[1].build(bad, torch.device("cpu"), torch.float32)
