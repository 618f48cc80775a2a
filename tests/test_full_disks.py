"""Comparisons and benchmarks on a disk that fills up: a sentence, and the same command goes on."""

import json
import re
from contextlib import contextmanager

import pytest
from comparing import PROGAN, STYLEGAN2
from golden_files import FOLDER

from panda.cli import main
from panda.comparison import analysis, compare
from panda.errors import DiskError, PandaError
from panda.evaluation import locality
from panda.files.json_lines import append_rows
from panda.files.writing import staging

resource = pytest.importorskip("resource")

COMPARE = ["compare", STYLEGAN2, PROGAN, "--no-faces", "--quick", "--levels", "2"]
COMPARE += ["--samples", "8", "--scored", "2", "--parts", "3"]
LOCALITY = ["benchmark", "locality", str(FOLDER / "stylegan2-genforce/checkpoint.pth")]
LOCALITY += ["--edits", "eyes", "--no-faces", "--n", "8", "--strength", "0.05", "--select", "1"]
LOCALITY += ["--shortlist", "1", "--pictures", "0"]
LOCALITY += ["--method", "panda:layers=8.conv1@2:samples=4:appearances=1"]


@contextmanager
def room(size):
    """No file grows beyond so many bytes; what a process writes beyond them fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def refused(arguments, out, size, capsys):
    """What `panda` says of the file that does not fit, after it has left no half-written one."""
    with room(size):
        assert main([*arguments, "--out", str(out)]) == 2
    *progress, said = capsys.readouterr().err.splitlines()
    told = re.fullmatch(rf"panda: cannot (?:write|keep samples in) {out}/?(\S*): File too .*", said)
    assert told and ".panda-" not in told[1]
    assert not any("cannot" in line for line in progress)
    assert not list(out.rglob("*.panda-*"))
    return told[1]


def test_a_comparison_ends_and_goes_on(tmp_path, capsys):
    out = tmp_path / "out"
    first = "generators/stylegan2-ada_network.pkl"
    assert refused(COMPARE, out, 100, capsys) == "plan.json"
    assert refused(COMPARE, out, 5_000, capsys) == f"{first}/overview"
    assert refused(COMPARE, out, 50_000, capsys) == f"{first}/.fit-2/0-of-1.sums"
    told = refused([*COMPARE, "--jobs", "2"], out, 50_000, capsys)
    assert re.fullmatch("generators/.*/.fit-2/0-of-1.sums", told)
    assert refused(COMPARE, out, 180_000, capsys) == "report.html"
    assert main([*COMPARE, "--out", str(out)]) == 0
    assert len(json.loads((out / "results.json").read_text())["generators"]) == 2


def test_a_benchmark_ends_and_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(locality, "LPIPS", lambda device: lambda a, b: (b - a).abs().mean(1))
    out = tmp_path / "out"
    kept = "methods/panda/factors-8.conv1"
    assert refused(LOCALITY, out, 10, capsys) == "plan.json"
    assert refused(LOCALITY, out, 5_000, capsys) == f"{kept}/factors.safetensors"
    sefa = [*LOCALITY[:-1], "sefa:components=1"]
    assert refused(sefa, out, 1_000, capsys) == "rows/sefa/eyes.1-of-1.jsonl"
    assert main([*LOCALITY, "--method", sefa[-1], "--out", str(out)]) == 0
    for figures in json.loads((out / "results.json").read_text())["methods"].values():
        assert figures["edits"]["eyes"]["n"] == 8


def test_half_a_row_is_followed_by_whole_ones(tmp_path):
    file = tmp_path / "rows" / "x.jsonl"
    append_rows(file, [{"a": 1}, {"a": 2}])
    with room(20), pytest.raises(DiskError, match=r"cannot write .*x\.jsonl: File too large"):
        append_rows(file, [{"a": "3" * 100}])
    append_rows(file, [{"a": 4}])
    assert file.read_text().splitlines() == ['{"a": 1}', '{"a": 2}', '{"a": 4}']


def test_what_is_inside_is_told_by_the_name_it_was_to_have(tmp_path):
    with room(10), pytest.raises(DiskError) as refusal, staging(tmp_path / "folder") as work:
        work.mkdir()
        with staging(work / "file") as inner:
            inner.write_bytes(bytes(100))
    assert str(refusal.value) == f"cannot write {tmp_path}/folder/file: File too large"


def test_a_full_cache_is_the_failure_of_the_generator_that_needs_it(tmp_path, monkeypatch):
    def full(name, *, device):
        raise DiskError("cannot write to the cache")

    monkeypatch.setattr(analysis, "create_generator", full)
    with pytest.raises(PandaError, match="no generator could be compared: .*the cache"):
        compare([STYLEGAN2], tmp_path / "out")
