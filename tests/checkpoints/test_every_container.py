"""Every container gives the tensors its authors put in, whatever the file is called."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from checkpoint_files import GOLDENS, KERNEL, openvino, tensorflowjs
from golden_files import stored, upstream_names
from safetensors.torch import load_file, save_file

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.errors import PandaError

FILES = [
    ("nvidia-pytorch", "stylegan2-ada/network.pkl"),
    ("nvidia-pytorch", "stylegan2-ada-cond/network.pkl"),
    ("nvidia-pytorch", "stylegan2-sg3repo/network.pkl"),
    ("nvidia-pytorch", "stylegan3-t/network.pkl"),
    ("nvidia-pytorch", "stylegan3-r/network.pkl"),
    ("nvidia-tensorflow", "proggan-tf/network.pkl"),
    ("nvidia-tensorflow", "stylegan1-tf/network.pkl"),
    ("nvidia-tensorflow", "stylegan2-tf/network.pkl"),
    ("genforce", "proggan-genforce/checkpoint.pth"),
    ("genforce", "stylegan1-genforce/checkpoint.pth"),
    ("genforce", "stylegan2-genforce/checkpoint.pth"),
    ("rosinality", "stylegan2-rosinality/checkpoint.pt"),
    ("huggingface", "biggan-deep-hf/hf"),
    ("state-dict", "biggan-deep-hf/hf/pytorch_model.bin"),
    ("safetensors", "biggan-ajbrock/state_dict.safetensors"),
]


def same(loaded: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert loaded.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert torch.equal(loaded[name], tensor), name
        assert not loaded[name].requires_grad, name


@pytest.mark.parametrize(("container", "name"), FILES)
def test_a_golden_file_gives_exactly_its_state_dict(container, name):
    checkpoint = read_checkpoint(GOLDENS / name)
    assert checkpoint.container == container
    tensors = upstream_names(checkpoint)
    wanted = json.loads((GOLDENS / name.split("/")[0] / "tensors.json").read_text())
    assert {name: digest(tensor) for name, tensor in tensors.items()} == wanted
    assert not any(tensor.requires_grad for tensor in tensors.values())


def digest(tensor: torch.Tensor) -> list[object]:
    data = tensor.reshape(-1).numpy().tobytes()
    kind = str(tensor.dtype).removeprefix("torch.")
    return [kind, list(tensor.shape), hashlib.sha256(data).hexdigest()[:16]]


@pytest.mark.parametrize(("container", "name"), FILES)
@pytest.mark.parametrize("wrong", ["weights", "model.safetensors", "x.xml", "model.json"])
def test_a_renamed_file_is_still_recognized(container, name, wrong, tmp_path):
    path = tmp_path / wrong
    source = GOLDENS / name
    shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    assert read_checkpoint(path).container == container


@pytest.mark.parametrize(
    "name",
    ["stylegan2-ada", "stylegan2-ada-cond", "stylegan2-sg3repo", "stylegan3-t", "stylegan3-r"],
)
def test_nvidia_networks_say_how_they_were_constructed(name):
    config = read_checkpoint(GOLDENS / name / "network.pkl").config
    assert config == json.loads((GOLDENS / name / "config.json").read_text())["kwargs"]


def test_tensorflow_networks_say_how_they_were_built():
    config = read_checkpoint(GOLDENS / "stylegan2-tf" / "network.pkl").config
    facts = {"version": 4, "build_func_name": "G_main", "resolution": 32, "latent_size": 32}
    assert config.items() >= facts.items()


def test_hugging_face_folders_keep_their_config():
    folder = GOLDENS / "biggan-deep-hf" / "hf"
    assert read_checkpoint(folder).config == json.loads((folder / "config.json").read_text())


def test_hugging_face_folders_may_hold_safetensors(tmp_path):
    shutil.copy(GOLDENS / "biggan-deep-hf" / "hf" / "config.json", tmp_path)
    weights = dict(stored("biggan-deep-hf"))
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint.container == "huggingface"
    assert checkpoint.config["z_dim"] == 16
    same(dict(checkpoint.tensors), weights)


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def saved(request, tmp_path):
    def save(content: object) -> Path:
        path = tmp_path / "file"
        torch.save(content, path, _use_new_zipfile_serialization=request.param)
        return path

    return save


FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "bool"]


def test_torch_files_of_every_type_and_view_are_read_as_torch_reads_them(saved):
    base = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)) * 9
    state = {dtype: base.to(getattr(torch, dtype)) for dtype in FLOATS + INTEGERS}
    state |= {"view": base[1:3, ::2], "transposed": base.T, "number": base[1, 1], "same": base}
    state |= {"empty": base[:0], "repeated": base[:1].expand(3, 6), "learned": base.clone()}
    state["learned"] = torch.nn.Parameter(state["learned"])
    path = saved(state)
    checkpoint = read_checkpoint(path)
    assert checkpoint.container == "state-dict"
    same(dict(checkpoint.tensors), torch.load(path, weights_only=True))


def test_ajbrock_state_dicts_are_read(saved):
    tensors = load_file(GOLDENS / "biggan-ajbrock" / "state_dict.safetensors")
    network = torch.nn.Module()  # a real state dict: ordered, with torch's metadata
    for name, tensor in tensors.items():
        network.register_buffer(name.replace(".", "/"), tensor)
    state = {name.replace("/", "."): value for name, value in network.state_dict().items()}
    same(dict(read_checkpoint(saved(state)).tensors), tensors)
    same(
        {
            name.replace("/", "."): t
            for name, t in read_checkpoint(saved(network.state_dict())).tensors.items()
        },
        tensors,
    )


WEIGHT = torch.arange(3.0)


@pytest.mark.parametrize(
    "content",
    [
        {"generator": {"x": WEIGHT}},
        {"generator": {"x": -WEIGHT}, "generator_smooth": {"x": WEIGHT}},
        {"models": {"generator": {"module.x": WEIGHT}, "discriminator": {}}, "optimizers": {}},
        {"models": {"generator": {"x": -WEIGHT}, "generator_smooth": {"module.x": WEIGHT}}},
    ],
)
def test_genforce_files_give_the_smooth_generator_first(content, saved):
    checkpoint = read_checkpoint(saved(content))
    assert checkpoint.container == "genforce"
    same(dict(checkpoint.tensors), {"x": WEIGHT})


def test_rosinality_training_files_are_read_past_their_arguments(saved):
    arguments = argparse.Namespace(size=256, path="/data", betas=(0.0, 0.99))
    optimizer = {"state": {140_000_000_000_000: {"step": 1}}, "param_groups": [{"lr": 0.002}]}
    content = {"g": {}, "g_ema": {"x": WEIGHT}, "g_optim": optimizer, "args": arguments}
    checkpoint = read_checkpoint(saved(content))
    assert checkpoint.container == "rosinality"
    same(dict(checkpoint.tensors), {"x": WEIGHT})


def test_openvino_constants_are_read_by_name(tmp_path):
    path = openvino(tmp_path / "graph.anything")
    checkpoint = read_checkpoint(path)
    assert checkpoint.container == "openvino"
    same(dict(checkpoint.tensors), {"weight": KERNEL, "shape": torch.tensor([2, 3])})
    same(
        dict(read_checkpoint(openvino(tmp_path / "folder" / "net.xml").parent).tensors),
        dict(checkpoint.tensors),
    )


def test_tensorflow_js_constants_are_read_by_name(tmp_path):
    path = tensorflowjs(tmp_path / "renamed")
    checkpoint = read_checkpoint(path)
    assert checkpoint.container == "tensorflowjs"
    same(
        dict(checkpoint.tensors),
        {
            "module/kernel": KERNEL,
            "count": torch.tensor(5, dtype=torch.int32),
            "flag": torch.tensor([True, False]),
            "bytes": torch.tensor([-1.0, -0.5, 126.5]),
            "steps": torch.tensor([10, 12, 13], dtype=torch.int32),
            "half": torch.tensor([0.5, -2.0]),
        },
    )


def test_a_converted_checkpoint_is_the_same_again(tmp_path):
    path = tmp_path / "converted"
    for name in ["stylegan3-r/network.pkl", "biggan-deep-hf/hf"]:
        first = read_checkpoint(GOLDENS / name)
        save_checkpoint(path, first)
        second = read_checkpoint(path)
        assert second.container == "safetensors"
        assert second.config == first.config
        same(dict(second.tensors), dict(first.tensors))
        save_checkpoint(path, second)  # over the file it was read from
        assert read_checkpoint(path).config == first.config


def test_plain_safetensors_have_no_config():
    assert read_checkpoint(GOLDENS / "biggan-ajbrock" / "state_dict.safetensors").config == {}


def test_a_config_that_is_no_json_object_is_refused(tmp_path):
    save_checkpoint(tmp_path / "x", Checkpoint("", {"x": WEIGHT}))
    data = (tmp_path / "x").read_bytes().replace(b'"config":"{}"', b'"config":"[]"')
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(PandaError, match="JSON of a list of 0, expected an object"):
        read_checkpoint(tmp_path / "x")


def test_tensors_do_not_share_memory(saved):
    tensors = read_checkpoint(saved({"a": WEIGHT, "b": WEIGHT})).tensors
    tensors["a"].fill_(9)
    assert torch.equal(tensors["b"], WEIGHT)


def test_a_path_may_be_text_and_a_checkpoint_shows_no_tensors(tmp_path):
    checkpoint = read_checkpoint(str(GOLDENS / "stylegan3-t/network.pkl"))
    save_checkpoint(str(tmp_path / "x.safetensors"), checkpoint)
    again = read_checkpoint(str(tmp_path / "x.safetensors"))
    same(dict(again.tensors), dict(checkpoint.tensors))
    assert repr(again).startswith(f"Checkpoint(safetensors, {len(again.tensors)} tensors, config: ")
    assert len(repr(again)) < 400
    assert again == again and again != checkpoint and len({again, checkpoint}) == 2
