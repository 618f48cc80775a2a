"""The small generators, which come with the package and need no network connection."""

import json
import shutil
import subprocess
import sys
import warnings

import pytest
import torch
from snippets import ROOT

from panda import PandaError, create_generator, list_generators
from panda.cli import main
from panda.factorization.fit import fit
from panda.generators.registry import cards, find_card
from panda.weights import Shipped, Weights
from training.ship import MAX_FID, MIN_WHOLE, MIN_WHOLE_OF

MINIS = list_generators("mini-*")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """No weights are cached, and neither pip nor npm reaches a server."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "cache"


@pytest.mark.parametrize("name", MINIS)
def test_a_mini_generator_opens_without_a_cache(name, empty_cache):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # each file records its options
        generator = create_generator(name)
    images = generator.forward(generator.sample([0, 1]))
    assert images.shape == (2, 3, 64, 64)
    assert float((images[0] - images[1]).abs().mean()) > 0.05
    assert [layer.name for layer in cards()[name].layers] == list(generator.layers)
    assert not empty_cache.exists()


@pytest.mark.parametrize("name", MINIS)
def test_parts_of_a_mini_generator_cover_the_image(name):
    generator = create_generator(name)
    layer = max(
        (layer for layer in generator.layers.values() if layer.height - 2 * layer.margin == 16),
        key=lambda layer: list(generator.layers).index(layer.name),
    )
    factors = fit(generator, layer.name, parts=6, seeds=range(64))
    assert factors.loss < 0.75
    assert float((factors.parts.max(0).values > 0).float().mean()) == 1


@pytest.mark.parametrize("name", MINIS)
def test_notes_of_cards_have_the_measured_figures(name):
    facts = json.loads((ROOT / "plugins" / "panda_plugins" / "minis" / f"{name}.json").read_text())
    assert facts["figures"]["fid"] <= MAX_FID
    assert facts["figures"]["whole"]["1"] >= MIN_WHOLE_OF.get(name.split("-")[1], MIN_WHOLE)
    assert f"FID {facts['figures']['fid']:.1f}" in cards()[name].notes


def test_the_weights_of_all_are_small():
    files = [card.weights.path for name, card in cards().items() if name in MINIS]
    assert sum(path.stat().st_size for path in files) < 30e6


def test_a_damaged_file_of_the_package_is_a_sentence(tmp_path):
    weights = find_card(MINIS[0]).weights
    shutil.copy(weights.path, tmp_path / "mini.safetensors")
    with (tmp_path / "mini.safetensors").open("r+b") as file:
        file.truncate(5000)
    damaged = Weights("mini", Shipped(tmp_path / "mini.safetensors"), weights.architecture, 64)
    with pytest.raises(PandaError, match="missing or damaged; install its package again"):
        damaged.load(torch.device("cpu"), torch.float32)
    assert main(["fetch", MINIS[0], "--file", str(tmp_path)]) == 2


def test_the_demo_without_a_network_uses_a_mini_generator_and_says_so(empty_cache, tmp_path):
    command = [sys.executable, "-m", "panda", "demo", "--quick", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "the demo uses mini-stylegan2-faces-64 instead" in done.stderr
    assert "mini-stylegan2-faces-64" in (tmp_path / "demo" / "report.html").read_text()
