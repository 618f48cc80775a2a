"""What machines do to files: full disks, flipped bits, read-only folders, two at once, changes."""

import errno
import multiprocessing
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fetching import CPU, FILE, kept, weights

from panda import Layer, PandaError
from panda.checkpoints import read as reading
from panda.checkpoints import torch_files
from panda.checkpoints.read import read_checkpoint
from panda.cli import main
from panda.errors import MachineError
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.samples import Samples
from panda.files.writing import staging
from panda.weights.download import Download

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture
def full(monkeypatch):
    """A disk that is full for every file whose name ends so."""

    @contextmanager
    def fill(ending):
        write = Path.write_bytes

        def refuse(path, data):
            if path.name.endswith(ending):
                write(path, data[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", refuse)
            yield

    return fill


def flip(path, place=-100):
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def test_a_full_disk_while_converting_keeps_the_download(cache, web, full):
    mine = weights(web)
    refusal = pytest.raises(MachineError, match="cannot write .*toy.safetensors: No space left")
    with full(".safetensors"), refusal:
        mine.fetch()
    assert kept(cache) == ["net.pkl"]
    assert not mine.cached
    mine.fetch()
    assert web.sent == len(FILE)


def test_too_little_memory_while_converting_keeps_the_download(cache, web, monkeypatch):
    def fail(path, budget):
        raise MemoryError

    mine = weights(web)
    with monkeypatch.context() as patch, pytest.raises(MachineError, match="more than fits into"):
        patch.setattr("panda.checkpoints.read._read_file", fail)
        mine.fetch()
    assert kept(cache) == ["net.pkl"]
    mine.fetch()
    assert web.sent == len(FILE)


def test_a_flipped_bit_in_the_cache_is_noticed_and_fetched_again(cache, web):
    mine = weights(web)
    mine.fetch()
    good = mine.path.read_bytes()
    for load in (mine.fetch, lambda: mine.load(CPU, torch.float32)):
        flip(mine.path)
        web.sent = 0
        load()
        assert mine.path.read_bytes() == good
        assert web.sent == len(FILE)


def test_a_flipped_bit_in_what_we_wrote_is_refused(tmp_path, tiny):
    converted = tmp_path / "x.safetensors"
    assert main(["convert", str(GOLDENS / "stylegan3-t/network.pkl"), "--out", str(converted)]) == 0
    flip(converted)
    with pytest.raises(PandaError, match="its tensors have changed since it was written"):
        read_checkpoint(converted)
    factors = fit(tiny, "a", parts=2, seeds=range(8)).save(tmp_path / "factors")
    flip(factors / "factors.safetensors")
    with pytest.raises(PandaError, match=r"changed since it was written\); fit the factors again"):
        Factors.load(factors)


OUTPUTS = [
    ["convert", str(GOLDENS / "stylegan3-t/network.pkl"), "--out", "/proc/panda.safetensors"],
    ["fit", str(GOLDENS / "stylegan3-t/network.pkl"), "L0_36_8", "--out", "/proc/panda"],
    ["demo", "--quick", "--generator", "tiny", "--out", "/proc/panda"],
    ["parts", "FACTORS", "--out", "/proc/panda"],
    ["compare", "mini-proggan-faces-64", "--out", "/proc/panda"],
    ["benchmark", "locality", "mini-proggan-faces-64", "--no-faces", "--out", "/proc/panda"],
]


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="/proc is the folder that none can write"
)
@pytest.mark.parametrize("arguments", OUTPUTS, ids=lambda arguments: arguments[0])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    arguments, tmp_path, tiny, monkeypatch, capsys
):
    monkeypatch.setattr("panda.cli.rendering.create_generator", lambda name, device: tiny)
    monkeypatch.setattr("panda.demo.run.create_generator", lambda name, device: tiny)
    fit(tiny, "a", parts=2, seeds=range(8)).save(tmp_path / "factors")
    capsys.readouterr()
    places = {"FACTORS": str(tmp_path / "factors")}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("panda: cannot write /proc/panda")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["stylegan3-t/network.pkl", "stylegan2-rosinality/checkpoint.pt"])
@pytest.mark.parametrize("left", [0, 0.3, 0.9])
def test_a_file_cut_short_while_it_is_read_is_one_sentence(name, left, tmp_path, monkeypatch):
    """A mapped file would end the process with SIGBUS."""
    path = tmp_path / "file"
    data = (GOLDENS / name).read_bytes()
    path.write_bytes(data)

    def cutting(read):
        def cut(*arguments):
            os.truncate(path, int(left * len(data)))
            return read(*arguments)

        return cut

    monkeypatch.setattr(reading, "parse", cutting(reading.parse))
    monkeypatch.setattr(torch_files, "_read_zip", cutting(torch_files._read_zip))
    with pytest.raises(PandaError, match="file changed while it was read"):
        read_checkpoint(path)


def test_safetensors_that_were_read_do_not_change_with_their_file(tmp_path):
    data = (GOLDENS / "biggan-ajbrock" / "state_dict.safetensors").read_bytes()
    (tmp_path / "x").write_bytes(data)
    tensors = read_checkpoint(tmp_path / "x").tensors
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    with (tmp_path / "x").open("r+b") as file:
        file.seek(len(data) - 5000)
        file.write(bytes(5000))
        file.truncate(len(data) - 1000)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors.items())


def test_samples_that_another_program_cut_short_are_noticed(tmp_path):
    samples = Samples(4, (3, 5), CPU, tmp_path / "x.samples")
    samples.append(torch.ones(4, 3, 5))
    samples.sync()
    os.truncate(tmp_path / "x.samples", 100)
    with pytest.raises(PandaError, match="was cut short by another program"):
        list(samples._read())


def test_a_full_disk_while_sampling_says_where(tmp_path):
    resource = pytest.importorskip("resource")
    samples = Samples(40_000, (30, 50), CPU, tmp_path / "x.samples")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(MachineError, match=r"cannot keep samples in .*x\.samples: File too l"):
            samples.append(torch.ones(40, 30, 50))
            samples.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_backend_that_lies_about_its_layers_is_refused(tiny):
    tiny.layers["b"] = Layer("b", 12, 9, 9)
    with pytest.raises(
        PandaError,
        match=r"head of tiny gives features \[16, 12, 8, 8\] at b, expected \[16, 12, 9, 9\]",
    ):
        fit(tiny, "b", seeds=range(16))


def at_once(count, call):
    """Call it in so many processes at the same time; how many of them it succeeded in."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)

    def run():
        barrier.wait()
        try:
            call()
        except PandaError as error:
            print(error, file=sys.stderr)
            os._exit(3)
        os._exit(0)

    started = [context.Process(target=run) for _ in range(count)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    return [process.exitcode for process in started]


def test_three_processes_fetch_at_once_and_one_downloads(cache, web):
    mine = weights(web)
    assert at_once(3, mine.fetch) == [0, 0, 0]
    assert web.sent == len(FILE)


def test_of_two_processes_that_fit_the_same_at_once_one_fits(tmp_path, tiny):
    def run():
        factors = fit(tiny, "c", parts=3, seeds=range(96), resume=tmp_path / ".f.fit")
        factors.save(tmp_path / "f")

    codes = at_once(2, run)
    assert 0 in codes
    assert set(codes) <= {0, 3}
    assert Factors.load(tmp_path / "f").parts.shape == (256, 3)


KILLED = """
import os, signal, sys
from pathlib import Path
from panda.files.writing import staging
with staging(Path(sys.argv[1])) as work:
    work.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path):
    target = tmp_path / "out.txt"
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.txt.panda-")
    (tmp_path / ".out.txt.settings").mkdir()
    (tmp_path / ".done.txt.panda-abcdefgh").mkdir()  # killed after the rename
    (tmp_path / ".other.txt.panda-abcdefgh").mkdir()
    (tmp_path / ".other.txt.panda-abcdefgh" / "other.txt").touch()
    with staging(target) as first:
        first.write_text("first")
        with staging(target) as second:  # as of another process: it is at work
            second.write_text("second")
        assert first.exists()
    assert target.read_text() == "first"
    names = {".out.txt.settings", ".other.txt.panda-abcdefgh", "out.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_kill_just_before_the_end_leaves_no_download_for_ever(cache, web, monkeypatch):
    mine = weights(web)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Download, "note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(Download, "run", lambda self: self.path.write_bytes(FILE))
        (cache / "downloads" / mine.source._downloads()[0].path.parent.name).mkdir(parents=True)
        mine.fetch()
    assert kept(cache) == ["net.pkl", "toy.safetensors"]
    mine.fetch()
    assert kept(cache) == ["toy.safetensors"]
