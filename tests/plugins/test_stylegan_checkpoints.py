"""Files that do not fit are refused in one sentence; files that differ harmlessly are read."""

import re
from dataclasses import replace

import pytest
import torch
from golden_files import CPU, checkpoint, io, names, near

from panda import Latents, PandaError
from panda.checkpoints.checkpoint import Checkpoint
from panda_plugins.stylegan import checkpoint as stylegan
from panda_plugins.stylegan2 import checkpoint as stylegan2

FOLDERS = names("stylegan[12]*")


def plugin(folder):
    return stylegan if folder.startswith("stylegan1") else stylegan2


def load(folder, tensors, config=None):
    return plugin(folder).from_checkpoint(
        Checkpoint("test", tensors, config or {}), CPU, torch.float32
    )


def sentence(folder, tensors, config=None):
    with pytest.raises(PandaError) as caught:
        load(folder, tensors, config)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    return text


def is_named(text, name):
    """Whether a sentence names this tensor, and not merely one whose name contains it."""
    return re.search(rf"[(' ]{re.escape(name.removeprefix('G_'))}[,)' ]", text) is not None


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_plugin_recognizes_its_own_files_only(folder):
    other = stylegan2 if plugin(folder) is stylegan else stylegan
    assert plugin(folder).recognizes(checkpoint(folder))
    assert not other.recognizes(checkpoint(folder))
    empty = Checkpoint("test", {"weight": torch.zeros(3)})
    assert not other.recognizes(empty)
    with pytest.raises(PandaError, match=r"this test file does not hold a StyleGAN2? generator"):
        other.from_checkpoint(checkpoint(folder), CPU, torch.float32)


@pytest.mark.parametrize("folder", FOLDERS)
def test_any_missing_tensor_is_named(folder):
    tensors = dict(checkpoint(folder).tensors)
    constant = ("kernel", "resample_filter", "lod")
    optional = ("noises.", "latent_avg")
    for name in tensors:
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        if name.endswith(constant) or name.startswith(optional):
            continue
        assert is_named(sentence(folder, rest), name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_any_misshapen_tensor_is_named(folder):
    tensors = dict(checkpoint(folder).tensors)
    tensors.pop("lod", None)  # TensorFlow's copy, which is not read
    for name, tensor in tensors.items():
        for wrong in (torch.zeros(2, 2, 2), torch.cat([tensor.reshape(-1), torch.zeros(1)])):
            assert is_named(sentence(folder, tensors | {name: wrong}), name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_broken_and_integer_tensors_are_named(folder):
    tensors = dict(checkpoint(folder).tensors)
    tensors.pop("lod", None)
    for name, tensor in list(tensors.items())[::7]:
        broken = sentence(folder, tensors | {name: torch.full_like(tensor, float("nan"))})
        assert f"1 not finite floating-point numbers ({name.removeprefix('G_')})" in broken
        whole = sentence(folder, tensors | {name: tensor.to(torch.int64)})
        assert f"1 not finite floating-point numbers ({name.removeprefix('G_')})" in whole


@pytest.mark.parametrize("folder", FOLDERS)
def test_extra_tensors_are_named(folder):
    text = sentence(folder, dict(checkpoint(folder).tensors) | {"surplus": torch.zeros(1)})
    assert "1 not part of it (surplus)" in text


def test_many_problems_stay_one_sentence():
    tensors = {n: t for n, t in checkpoint("stylegan2-ada").tensors.items() if ".affine." not in n}
    assert "22 missing" in sentence("stylegan2-ada", tensors)


@pytest.mark.filterwarnings("ignore:the file does not say")
def test_files_without_constants_are_read():
    for folder in ("stylegan1-genforce", "stylegan2-ada", "stylegan2-genforce"):
        tensors = {
            name: tensor
            for name, tensor in checkpoint(folder).tensors.items()
            if not name.endswith(("kernel", "resample_filter"))
        }
        w = io(folder)["wp" if "wp" in io(folder) else "ws_psi"]
        near(load(folder, tensors).forward(Latents((0, 1), {"w": w})), io(folder)["image"], 1e-4)


def test_an_early_rosinality_file_gets_noise_and_a_mean():
    whole = checkpoint("stylegan2-rosinality").tensors
    bare = {n: t for n, t in whole.items() if not n.startswith(("noises.", "latent_avg"))}
    first, second = (load("stylegan2-rosinality", bare) for _ in range(2))
    assert torch.equal(first.forward(first.sample([0])), second.forward(second.sample([0])))
    w = torch.cat([first.sample(range(500), truncation=1.0).tensors["w"][:, 0]])
    mean = first.network.mapping.w_avg
    assert (w.mean(0) - mean).abs().max() < 5 * (w.std(0) / 500**0.5).max()


def test_tensorflow_prefixes_are_alike():
    for folder in ("stylegan1-tf", "stylegan2-tf"):
        plain = {n.removeprefix("G_"): t for n, t in checkpoint(folder).tensors.items()}
        first, second = load(folder, plain), load(folder, dict(checkpoint(folder).tensors))
        assert torch.equal(first.forward(first.sample([0])), second.forward(second.sample([0])))


def test_a_conditional_tensorflow_network_normalizes_z_and_label_together():
    tensors = dict(checkpoint("stylegan2-tf").tensors)
    first = tensors["G_mapping/Dense0/weight"]
    label = torch.randn(5, 32)
    tensors["G_mapping/LabelConcat/weight"] = label
    tensors["G_mapping/Dense0/weight"] = torch.cat([first, torch.randn(32, 32)])
    generator = load("stylegan2-tf", tensors)
    assert generator.network.config.classes == 5
    z, hot = torch.randn(2, 32), torch.eye(5)[[3, 0]]
    x = torch.cat([z, label[[3, 0]]], 1)
    x = x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(4):
        weight, bias = (tensors[f"G_mapping/Dense{i}/{part}"] for part in ("weight", "bias"))
        x = x @ weight * (0.01 / len(weight) ** 0.5) + bias * 0.01
        x = torch.nn.functional.leaky_relu(x, 0.2) * 2**0.5
    near(generator.map(z, hot), x, 1e-5)


@pytest.mark.filterwarnings("ignore:the file does not say")
def test_constructor_arguments_give_clamp_and_half_precision():
    nested = checkpoint("stylegan2-ada-cond")
    config = load("stylegan2-ada-cond", nested.tensors, nested.config).network.config
    assert (config.conv_clamp, config.num_fp16_res) == (2.5, 2)
    flat = checkpoint("stylegan2-sg3repo")
    config = load("stylegan2-sg3repo", flat.tensors, flat.config).network.config
    assert (config.conv_clamp, config.num_fp16_res) == (256, 4)
    config = load("stylegan2-ada", checkpoint("stylegan2-ada").tensors).network.config
    assert (config.conv_clamp, config.num_fp16_res) == (None, 0)


@pytest.mark.parametrize(
    "config",
    [
        {"synthesis_kwargs": {"conv_clamp": "256"}},
        {"synthesis_kwargs": {"num_fp16_res": float("nan")}},
        {"synthesis_kwargs": ["conv_clamp"]},
        {"mapping_kwargs": {"activation": "relu"}},
        {"mapping_kwargs": {"lr_multiplier": -1}},
    ],
)
def test_nonsense_arguments_are_refused(config):
    key = next(iter(config))
    assert "the file says" in sentence("stylegan2-ada", checkpoint("stylegan2-ada").tensors, config)
    assert key


def test_a_half_grown_stylegan_is_refused():
    whole = checkpoint("stylegan1-genforce")
    growing = replace(whole, tensors={**whole.tensors, "synthesis.lod": torch.tensor(1.5)})
    assert "still growing (lod 1.5)" in sentence("stylegan1-genforce", growing.tensors)
