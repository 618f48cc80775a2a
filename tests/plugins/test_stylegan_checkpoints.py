"""Files that do not fit are refused in one sentence; files that differ harmlessly are read."""

import re
import warnings
from dataclasses import replace

import pytest
import torch
from golden_files import CPU, FOLDER, checkpoint, io, names, near

from panda import Latents, PandaError, create_generator
from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaWarning
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


@pytest.mark.filterwarnings("ignore:.*does not say how")
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


def test_a_mean_of_w_from_very_many_z_is_refused():
    whole = checkpoint("stylegan2-rosinality").tensors
    wide = {n: t for n, t in whole.items() if n != "latent_avg"}
    wide["style.1.weight"] = torch.zeros(1, 1).expand(32, 1_000_000)
    with pytest.raises(PandaError, match="over 500000 steps to read, more than any checkpoint"):
        load("stylegan2-rosinality", wide)


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


@pytest.mark.filterwarnings("ignore:.*does not say how")
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


ASSUMED = {
    "stylegan1-genforce": 'mapping_lr_mul=0.01, fused_scale="auto", final_tanh=false, use_wscale=',
    "stylegan2-genforce": "mapping_lr_mul=0.01, final_tanh=false, demodulate=true, use_wscale=true",
    "stylegan2-rosinality": "lr_mlp=0.01",
    "stylegan2-ada": "lr_multiplier=0.01, conv_clamp=null, num_fp16_res=0",
}


@pytest.mark.parametrize("folder", ASSUMED)
def test_state_dicts_warn_of_every_option_that_they_do_not_record(folder):
    words = re.escape(ASSUMED[folder]) + ".* is assumed.*'panda convert FILE --set NAME=VALUE"
    with pytest.warns(PandaWarning, match=words):
        load(folder, checkpoint(folder).tensors)


@pytest.mark.parametrize("folder", ["stylegan1-tf", "stylegan2-tf", "stylegan2-sg3repo"])
def test_files_that_record_arguments_assume_nothing(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_generator(FOLDER / folder / "network.pkl")


def opened(folder, **options):
    source = Checkpoint("test", checkpoint(folder).tensors, options=options)
    return plugin(folder).from_checkpoint(source, CPU, torch.float32)


@pytest.mark.parametrize("folder", ["stylegan1-genforce", "stylegan2-genforce"])
def test_a_final_tanh_ends_the_image_and_nothing_else(folder):
    plain, ended = opened(folder), opened(folder, final_tanh=True)
    z = plain.sample([0, 1])
    assert torch.equal(ended.forward(z), plain.forward(z).tanh())
    for name in plain.layers:
        assert torch.equal(ended.head(z, name).x, plain.head(z, name).x)
        assert torch.equal(ended.tail(ended.head(z, name), name), ended.forward(z))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("stylegan1-genforce", "mapping_lr_mul"),
        ("stylegan1-tf", "mapping_lrmul"),
        ("stylegan2-genforce", "mapping_lr_mul"),
        ("stylegan2-rosinality", "lr_mlp"),
        ("stylegan2-tf", "mapping_lrmul"),
        ("stylegan2-ada", "lr_multiplier"),
    ],
)
def test_the_rate_of_the_mapping_network_is_read_by_the_name_of_each_code(folder, name):
    assert opened(folder, **{name: 0.02}).network.config.lr_multiplier == 0.02


def test_a_fused_stylegan_has_the_weights_the_other_way_around():
    tensors = dict(checkpoint("stylegan1-genforce").tensors)
    expected = opened("stylegan1-genforce")
    for k in (2, 4, 6):
        tensors[f"synthesis.layer{k}.weight"] = tensors[f"synthesis.layer{k}.weight"].flip(2, 3)
    source = Checkpoint("test", tensors, options={"fused_scale": True})
    z = expected.sample([0, 1])
    near(stylegan.from_checkpoint(source, CPU, torch.float32).forward(z), expected.forward(z), 1e-5)


def test_filters_that_a_tensorflow_file_records_are_read():
    skewed = load("stylegan1-tf", checkpoint("stylegan1-tf").tensors, {"blur_filter": [1, 0, 3]})
    kernel = torch.tensor([[1.0, 0, 3], [0, 0, 0], [3, 0, 9]]) / 16
    near(skewed.network.synthesis.layers[2].blur.kernel[0, 0], kernel, 1e-7)
    skewed = load(
        "stylegan2-tf", checkpoint("stylegan2-tf").tensors, {"resample_kernel": [0, 1, 3, 0]}
    )
    kernel = torch.tensor([[0.0, 0, 0, 0], [0, 1, 3, 0], [0, 3, 9, 0], [0, 0, 0, 0]]) / 16
    for block in skewed.network.synthesis.blocks[1:]:
        near(block.resample_filter, kernel, 1e-7)
        near(block.conv0.resample_filter, kernel, 1e-7)


def test_a_genforce_filter_that_is_not_symmetric_is_refused():
    tensors = dict(checkpoint("stylegan2-genforce").tensors)
    name = "synthesis.layer3.filter.kernel"
    tensors[name] = tensors[name] * torch.tensor([1.0, 2, 1, 1])
    assert "resampling filter that is not symmetric" in sentence("stylegan2-genforce", tensors)


@pytest.mark.parametrize(
    ("folder", "config"),
    [
        ("stylegan1-tf", {"use_wscale": False}),
        ("stylegan1-tf", {"use_instance_norm": False}),
        ("stylegan1-tf", {"use_pixel_norm": True}),
        ("stylegan1-tf", {"normalize_latents": False}),
        ("stylegan1-tf", {"blur_filter": None}),
        ("stylegan1-tf", {"blur_filter": [1, 1]}),
        ("stylegan1-tf", {"mapping_nonlinearity": "relu"}),
        ("stylegan2-tf", {"nonlinearity": "relu"}),
        ("stylegan2-tf", {"resample_kernel": [1, 3, 3, 3, 1]}),
        ("stylegan2-tf", {"resample_kernel": [1, -1, 1, -1]}),
        ("stylegan2-tf", {"normalize_latents": False}),
    ],
)
def test_arguments_that_no_network_here_has_are_refused(folder, config):
    (name,) = config
    text = sentence(folder, checkpoint(folder).tensors, config)
    assert f"the file says {name}={config[name]!r}, expected" in text


@pytest.mark.parametrize("name", ["demodulate", "use_wscale"])
def test_what_genforce_can_and_we_cannot_is_refused_once_it_is_set(name):
    with pytest.raises(PandaError, match=f"--set {name}=false, expected true"):
        opened("stylegan2-genforce", **{name: False})


def test_a_half_grown_stylegan_is_refused():
    whole = checkpoint("stylegan1-genforce")
    growing = replace(whole, tensors={**whole.tensors, "synthesis.lod": torch.tensor(1.5)})
    assert "still growing (lod 1.5)" in sentence("stylegan1-genforce", growing.tensors)
