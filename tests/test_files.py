"""A checkpoint file of any container, opened by its content, is a generator."""

import json
import shutil

import pytest
import torch
from conftest import GOLDENS
from golden_files import FILES, stored

from panda import PandaError, create_generator
from panda.cli import main


@pytest.fixture(params=FILES, ids=str)
def disguised(request, tmp_path):
    """A golden file under a name that tells nothing, and what it is."""
    source = GOLDENS / request.param
    target = tmp_path / "mystery.bin"
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return target, *FILES[request.param]


def test_info_names_container_and_architecture(disguised, capsys):
    path, architecture, container = disguised
    assert main(["info", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["architecture"], facts["container"]) == (architecture, container)
    assert facts["layers"]


def test_converting_keeps_the_generator(disguised, tmp_path):
    path = disguised[0]
    out = tmp_path / "converted.safetensors"
    assert main(["convert", str(path), "--out", str(out)]) == 0
    before, after = create_generator(str(path)), create_generator(str(out))
    latents = before.sample([5])
    assert torch.allclose(before.forward(latents), after.forward(after.sample([5])), atol=1e-5)


def test_factors_can_be_fitted_to_a_file(tmp_path):
    path = GOLDENS / "stylegan2-ada" / "network.pkl"
    out = tmp_path / "factors"
    layer = list(create_generator(str(path)).layers)[2]
    arguments = ["--parts", "2", "--seeds", "0-9", "--out", str(out)]
    assert main(["fit", str(path), layer, *arguments]) == 0
    assert main(["edit", str(out), "--edit", "0:p0:2sd", "--out", str(tmp_path / "e")]) == 0


@pytest.mark.parametrize("folder", ["stylegan2-ada-cond", "stylegan2-sg3repo"])
def test_the_demo_runs_on_a_file(folder, tmp_path, capsys):
    """One with classes, and one so small that a single layer serves both studies."""
    path = GOLDENS / folder / "network.pkl"
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--generator", str(path), "--out", str(out)]) == 0
    assert f"open {out / 'report.html'}" in capsys.readouterr().out
    text = (out / "report.html").read_text()
    studies = text.count("Local edits at ") // 2  # once in the navigation, once above the section
    assert studies == (1 if folder == "stylegan2-sg3repo" else 2)
    assert f"panda fit {path}" in text


def test_a_file_of_no_architecture_is_one_sentence(tmp_path, capsys):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(PandaError, match="tensors a, ... is of no known architecture; known: Big"):
        create_generator(str(tmp_path / "other.safetensors"))
    assert main(["info", str(tmp_path / "missing.pkl")]) == 2
    assert "missing.pkl" in capsys.readouterr().err


def test_missing_tensors_are_named(tmp_path):
    from safetensors.torch import save_file

    tensors = dict(stored("stylegan2-ada"))
    del tensors["synthesis.b8.conv0.weight"]
    save_file(tensors, tmp_path / "torn.safetensors")
    with pytest.raises(PandaError, match="synthesis.b8.conv0.weight"):
        create_generator(str(tmp_path / "torn.safetensors"))
