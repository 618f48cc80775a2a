"""``panda doctor``: one page that says what works and what does not."""

import json

import pytest
import torch

from panda.checkpoints.tensors import save_tensors
from panda.cli import main
from panda.files.cache import home


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_machine_in_good_health_is_one_page(cache, capsys):
    save_tensors(cache / "generators" / "toy.safetensors", {"w": torch.ones(3)}, {})
    save_tensors(
        cache / "factors" / "toy" / "a-8" / "factors.safetensors", {"p": torch.ones(3)}, {}
    )
    (cache / "downloads" / "1").mkdir(parents=True)
    (cache / "downloads" / "1" / "net.pkl").write_bytes(b"half")
    assert main(["doctor"]) == 0
    page = capsys.readouterr().out
    for words in (
        f"torch: {torch.__version__}",
        "cpu: ",
        f"folder: {home()}",
        "generators/toy.safetensors: as it was written, 0.0 MB",
        "factors/toy/a-8/factors.safetensors: as it was written, 0.0 MB",
        "downloads/1/net.pkl: 4 bytes",
        "stylegan2: works, panda-parts",
        "problems: none",
    ):
        assert words in page
    assert page.count("\n") < 60
    assert sorted(path.name for path in cache.iterdir()) == ["downloads", "factors", "generators"]


def test_a_flipped_bit_and_a_broken_plugin_are_told(cache, capsys, install):
    path = cache / "generators" / "toy.safetensors"
    save_tensors(path, {"w": torch.ones(3)}, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    install(good="Good", broken="Raises")
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    plugin, damage = report["problems"]
    assert plugin.startswith("plugin broken: RuntimeError: no CUDA here (")
    assert damage == (
        "generators/toy.safetensors is damaged, 0.0 MB; delete it to have it made again"
    )


def test_a_cache_that_cannot_be_written_is_told(monkeypatch, capsys):
    monkeypatch.setenv("PANDA_HOME", "/proc/nothing")
    assert main(["doctor"]) == 1
    assert (
        "the cache cannot be written: cannot write /proc/nothing/doctor" in capsys.readouterr().out
    )
