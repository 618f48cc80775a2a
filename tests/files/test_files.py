"""A checkpoint file of any container, opened by its content, is a generator."""

import json
import shutil
import warnings

import pytest
import torch
from conftest import GOLDENS
from golden_files import FILES
from safetensors.torch import load_file, save_file

from panda import Latents, PandaError, create_generator
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.cli import main
from panda.errors import PandaWarning


@pytest.fixture(params=FILES, ids=str)
def disguised(request, tmp_path):
    """A golden file under a name that says nothing, and what it is."""
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


CONDITIONAL = GOLDENS / "proggan-genforce-cond" / "state_dict.safetensors"


def test_options_that_are_set_go_into_the_file_and_are_not_assumed_again(tmp_path):
    out, again = tmp_path / "whole.safetensors", tmp_path / "again.safetensors"
    words = ["label_size=3", "final_tanh=true", "fused_scale=false", "use_wscale=true"]
    settings = [word for setting in words for word in ("--set", setting)]
    io = load_file(CONDITIONAL.with_name("io.safetensors"))
    latents = Latents((0, 1), {"z": io["z"], "label": io["label"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["convert", str(CONDITIONAL), *settings, "--out", str(out)]) == 0
        assert main(["convert", str(out), "--out", str(again)]) == 0
        generators = [create_generator(file) for file in (out, again)]
    for generator in generators:
        assert (generator.forward(latents) - io["image"]).abs().max() <= 1e-4


def test_info_shows_what_conversion_has_recorded(tmp_path, capsys):
    source, out = GOLDENS / "stylegan2-rosinality" / "checkpoint.pt", tmp_path / "x.safetensors"
    assert main(["convert", str(source), "--set", "lr_mlp=0.01", "--out", str(out)]) == 0
    assert main(["info", str(out)]) == 0
    assert "\nset          {'lr_mlp': 0.01}\n" in capsys.readouterr().out
    assert main(["info", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["set"] == {"lr_mlp": 0.01}


def test_a_value_that_is_no_json_is_text(tmp_path):
    source, out = GOLDENS / "stylegan1-genforce" / "checkpoint.pth", tmp_path / "x.safetensors"
    assert main(["convert", str(source), "--set", "fused_scale=auto", "--out", str(out)]) == 0
    assert read_checkpoint(out).options == {"fused_scale": "auto"}


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("final_tanh", "'final_tanh' is no option and value, such as final_tanh=true"),
        ("=true", "'=true' is no option and value"),
        ("final_tanh=", "'final_tanh=' is no option and value"),
        ("final_tahn=true", "no option 'final_tahn'; did you mean 'final_tanh'?"),
        ("final_tanh=yes", "--set final_tanh=yes, expected false or true"),
        ("label_size=35", "--set label_size=35, but z and label are 35 numbers"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_writes_nothing(setting, sentence, tmp_path, capsys):
    out = tmp_path / "x.safetensors"
    assert main(["convert", str(CONDITIONAL), "--set", setting, "--out", str(out)]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_conversion_replaces_no_file_least_of_all_its_own_input(tmp_path, capsys):
    mine, notes = tmp_path / "mine.safetensors", tmp_path / "notes.safetensors"
    shutil.copy(CONDITIONAL, mine)
    notes.write_text("a diary")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "link.safetensors").symlink_to("elsewhere")
    (tmp_path / "alias.safetensors").symlink_to("mine.safetensors")
    before = sorted(tmp_path.iterdir())
    for name in ("mine", "notes", "folder", "link", "alias"):
        out = tmp_path / f"{name}.safetensors"
        assert main(["convert", str(mine), "--out", str(out)]) == 2
        assert f"--out {out} is there already, and no file is replaced" in capsys.readouterr().err
    assert mine.read_bytes() == CONDITIONAL.read_bytes()
    assert notes.read_text() == "a diary"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.pkl", "x", "x.SAFETENSORS", "x.tar.gz"])
def test_safetensors_have_no_other_suffix(name, tmp_path, capsys):
    out = tmp_path / name
    assert main(["convert", str(CONDITIONAL), "--out", str(out)]) == 2
    assert f"give --out {out.with_suffix('.safetensors')}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_factors_can_be_fitted_to_a_file(tmp_path):
    path = GOLDENS / "stylegan2-ada" / "network.pkl"
    out = tmp_path / "factors"
    layer = list(create_generator(str(path)).layers)[2]
    arguments = ["--parts", "2", "--seeds", "0-9", "--out", str(out)]
    assert main(["fit", str(path), layer, *arguments]) == 0
    assert main(["edit", str(out), "--edit", "0:p0:2sd", "--out", str(tmp_path / "e")]) == 0


@pytest.mark.parametrize("folder", ["stylegan2-ada-cond", "stylegan2-sg3repo"])
def test_the_demo_runs_on_a_file(folder, tmp_path, capsys):
    """With classes, and so small that a single layer serves both studies."""
    path = GOLDENS / folder / "network.pkl"
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--generator", str(path), "--out", str(out)]) == 0
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out
    text = (out / "report.html").read_text()
    studies = text.count("Local edits at ") // 2  # once in the navigation, once above the section
    assert studies == (1 if folder == "stylegan2-sg3repo" else 2)
    assert f"panda fit {path}" in text


def test_a_file_of_no_architecture_is_one_sentence(tmp_path, capsys):
    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(PandaError, match="tensors a, ... is of no known architecture; known: Big"):
        create_generator(str(tmp_path / "other.safetensors"))
    assert main(["info", str(tmp_path / "missing.pkl")]) == 2
    assert "missing.pkl" in capsys.readouterr().err


def test_missing_tensors_are_named_and_their_file_is_not_converted(tmp_path, capsys):
    checkpoint = read_checkpoint(GOLDENS / "stylegan2-ada" / "network.pkl")
    tensors = dict(checkpoint.tensors)
    del tensors["synthesis.b4.const"]
    save_checkpoint(tmp_path / "torn.safetensors", Checkpoint("", tensors, checkpoint.config))
    with pytest.raises(PandaError, match="synthesis.b4.const"):
        create_generator(str(tmp_path / "torn.safetensors"))
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(tmp_path / "torn.safetensors"), "--out", str(out)]) == 2
    assert "synthesis.b4.const" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("folder", ["stylegan2-ada-cond", "stylegan3-r"])
def test_what_a_file_does_not_say_is_warned_of(folder, tmp_path):
    """Names and shapes do not show a clamp, and images differ with another clamp."""
    path = tmp_path / "bare.safetensors"
    save_file(dict(read_checkpoint(GOLDENS / folder / "network.pkl").tensors), path)
    with pytest.warns(PandaWarning, match="does not say how .* conv_clamp="):
        create_generator(str(path))


def test_every_file_is_warned_of_by_its_name(tmp_path):
    tensors = dict(read_checkpoint(GOLDENS / "stylegan2-ada-cond" / "network.pkl").tensors)
    files = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for file in files:
            save_file(tensors, file)
            create_generator(file)
    named = [
        str(warning.message).partition(" does not say how its StyleGAN2")[0] for warning in caught
    ]
    assert named == [str(file) for file in files]


def test_a_command_that_loads_a_file_twice_warns_of_it_once(capsys):
    file = str(GOLDENS / "stylegan2-rosinality" / "checkpoint.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as after a library has touched the filters
        main(["check", file])
    assert capsys.readouterr().err.count(f"panda: warning: {file} does not say how its") == 1


def test_a_name_that_is_no_text_is_one_sentence(tmp_path):
    with pytest.raises(PandaError, match="cannot hold the name"):
        save_checkpoint(tmp_path / "x", Checkpoint("", {"\ud800": torch.zeros(1)}))


def test_stylegan3_arguments_of_another_kind_are_one_sentence(tmp_path):
    checkpoint = read_checkpoint(GOLDENS / "stylegan3-t" / "network.pkl")
    config = {**checkpoint.config, "mapping_kwargs": 3}
    path = tmp_path / "odd.safetensors"
    save_checkpoint(path, Checkpoint("", checkpoint.tensors, config))
    with pytest.raises(PandaError, match="mapping_kwargs=3"):
        create_generator(str(path))
