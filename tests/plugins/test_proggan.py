"""ProGAN against the results of genforce's and TensorFlow's code."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from backend_checks import (
    CPU,
    FEATURES,
    GOLDENS,
    IMAGES,
    checkpoint,
    conform,
    edited,
    error,
    full_size,
    golden,
    meta_checkpoint,
)
from plain_proggan import run
from torch.nn import functional as F

import panda_plugins.proggan as plugin
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.errors import PandaError, PandaWarning
from panda.generators.contract import Latents
from panda_plugins.proggan.backend import ProGAN
from panda_plugins.proggan.checkpoint import build, from_checkpoint, recognizes
from panda_plugins.proggan.network import Conv, pixel_norm

GENFORCE, CONDITIONAL = "proggan-genforce", "proggan-genforce-cond"
TENSORFLOW = "proggan-tf"


def load(source: Checkpoint) -> ProGAN:
    assert recognizes(source)
    return from_checkpoint(source, CPU, torch.float32)


@pytest.fixture(scope="module")
def generator() -> ProGAN:
    return load(checkpoint(GENFORCE))


def latents(folder: str = GENFORCE) -> Latents:
    return Latents((0, 1), {"z": golden(folder)["z"]})


def layer_of(index: str) -> str:
    """PandA's G[:l] as our layer."""
    return f"{2 ** (int(index) - 1)}.conv2"


def test_features_images_and_edits_are_those_of_genforce(generator):
    io = golden(GENFORCE)
    assert error(generator.forward(latents()), io["image"]) <= IMAGES
    for name, expected in io.items():
        kind, _, index = name.partition(".")
        if kind == "feat":
            assert error(generator.head(latents()[:1], layer_of(index)).x, expected) <= FEATURES
        if kind == "layer_out":
            layer = list(generator.layers)[int(index)]
            assert error(generator.head(latents()[:1], layer).x, expected) <= FEATURES
    for index in "34":
        image = edited(generator, latents(), layer_of(index), io, f"edit.{index}")
        assert error(image, io[f"edit.{index}.image"]) <= IMAGES


def conditional(**options: Any) -> ProGAN:
    return load(replace(checkpoint(CONDITIONAL), options=options))


def conditional_latents() -> Latents:
    io = golden(CONDITIONAL)
    return Latents((0, 1), {"z": io["z"], "label": io["label"]})


def test_a_conditional_network_with_tanh_gives_the_images_of_genforce():
    io = golden(CONDITIONAL)
    generator = conditional(final_tanh=True)
    assert error(generator.forward(conditional_latents()), io["image"]) <= IMAGES
    for index, layer in enumerate(generator.layers):
        state = generator.head(conditional_latents(), layer)
        assert error(state.x, io[f"layer_out.{index}"]) <= FEATURES
        assert error(generator.tail(state, layer), io["image"]) <= IMAGES
    assert generator.sample([0], label=2).tensors["label"].tolist() == [[0, 0, 1]]
    assert generator.z_weight().shape[1] == generator.sample([0]).tensors["z"].shape[1] == 32
    with pytest.raises(PandaError, match="has classes 0 to 2, but 3 was given"):
        generator.sample([0], label=3)
    source = replace(checkpoint(CONDITIONAL), options={"final_tanh": True})
    conform(lambda *place: from_checkpoint(source, *place))


def test_numbers_beyond_a_power_of_two_are_taken_for_the_label_with_a_warning():
    with pytest.warns(PandaWarning, match=r"label_size=3, final_tanh=false, use_wscale=true is as"):
        generator = conditional()
    assert generator.network.classes == 3
    whole = conditional(final_tanh=True).forward(conditional_latents())
    assert error(generator.forward(conditional_latents()).tanh(), whole) <= 1e-6
    assert conditional(label_size=0).network.latent == 35


def test_fused_upsampling_that_no_shape_shows_is_assumed_with_a_warning():
    source = checkpoint(GENFORCE)
    kept = {
        name: tensor
        for name, tensor in source.tensors.items()
        if name.partition(".")[0] not in ("layer6", "layer7", "output3")
    }
    with pytest.warns(PandaWarning, match="label_size=0, fused_scale=false, final_tanh=false, use"):
        load(Checkpoint("genforce", kept))
    with pytest.warns(PandaWarning, match="label_size=0, final_tanh=false, use_wscale=true is as"):
        load(source)


def test_options_that_are_set_or_recorded_are_not_assumed():
    options = {"label_size": 0, "final_tanh": False, "use_wscale": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(replace(checkpoint(GENFORCE), options=options))
        load(read_checkpoint(GOLDENS / TENSORFLOW / "network.pkl"))
    with pytest.raises(PandaError, match="this ProGAN has no option 'final_tan'; did you mean"):
        load(replace(checkpoint(GENFORCE), options={"final_tan": True}))


def test_a_conditional_tensorflow_network_normalizes_z_and_label_together():
    variables = dict(checkpoint(TENSORFLOW).tensors)
    dense = variables["4x4/Dense/weight"]
    variables["4x4/Dense/weight"] = torch.cat([dense, dense[:3].flip(0)])
    source = Checkpoint("nvidia-tensorflow", variables, {"label_size": 3, "version": 2})
    generator = load(source)
    z = generator.sample([4, 5], label=1)
    joined = torch.cat([z.tensors["z"], z.tensors["label"]], 1)
    first = pixel_norm(joined, 1.0) @ variables["4x4/Dense/weight"]
    first = first.view(2, -1, 4, 4) * (2**0.5 / 4 / 35**0.5)
    first = F.leaky_relu(first + variables["4x4/Dense/bias"][:, None, None], 0.2)
    assert error(generator.head(z, "4.conv1").x, first) <= FEATURES


def test_tensorflow_variables_become_the_same_generator(generator):
    io = golden(TENSORFLOW)
    converted = load(checkpoint(TENSORFLOW))
    assert error(converted.forward(latents(TENSORFLOW)), io["image"]) <= IMAGES
    for name, tensor in generator.network.state_dict().items():
        assert error(converted.network.state_dict()[name], tensor) <= 1e-6, name


@pytest.mark.parametrize("lod", [0.4, 1.0, 1.5])
def test_a_half_grown_network_blends_its_last_resolutions(lod):
    source = checkpoint(GENFORCE, lod=torch.tensor(lod))
    half_grown = load(source)
    assert error(half_grown.forward(latents()), golden(GENFORCE)[f"image_lod{lod}"]) <= IMAGES
    conform(lambda *place: from_checkpoint(source, *place))
    assert len(half_grown.layers) == (8 if lod < 1 else 6)


def test_fused_upsampling_is_inferred_from_shapes_or_config(generator):
    tensors = dict(checkpoint(GENFORCE).tensors)
    for k in (2, 4, 6):
        tensors[f"layer{k}.weight"] = tensors[f"layer{k}.weight"].flip(2, 3).transpose(0, 1)
    expected = generator.forward(latents())
    for options in ({}, {"fused_scale": True}):  # layer6 changes the number of channels
        fused = load(Checkpoint("genforce", tensors, options=options))
        assert error(fused.forward(latents()), expected) <= IMAGES


def test_the_network_equals_the_paper_formula_op_by_op(generator):
    z = generator.sample(range(3))
    for name, x in run(generator.network.state_dict(), z.tensors["z"]):
        if name == "image":
            assert error(generator.forward(z), x) <= IMAGES
        else:
            assert error(generator.head(z, name).x, x) <= FEATURES


def test_wide_layers_convolve_as_narrow_ones():
    """With many channels a CPU runs another algorithm."""
    layer = Conv(192, 192).requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.normal_(generator=draw)
    layer.prepare()
    assert layer.winograd is not None
    x = torch.randn(2, 192, 8, 8, generator=draw)
    fast, layer.winograd = layer(x), None
    assert error(fast, layer(x)) <= FEATURES


@pytest.mark.parametrize("resolution", [256, 1024])
def test_official_names_and_shapes_are_ours(resolution):
    name = f"pggan-genforce-{resolution}"
    network = build(meta_checkpoint(name), meta_checkpoint(name).tensors)
    data = full_size(name)
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == data["tensors"]
    for index, (channels, height, _) in data["features"].items():
        assert network.channels[int(index) - 3] == channels
        assert f"{height}.conv2" == layer_of(index)


def test_labels_truncation_and_unknown_layers_are_refused(generator):
    with pytest.raises(PandaError, match="no classes, but label 3"):
        generator.sample([0], label=3)
    with pytest.raises(PandaError, match=r"no truncation, so only 1 .* but 0\.7"):
        generator.sample([0], truncation=0.7)
    with pytest.raises(PandaError, match=r"no layer '8\.conv3'; did you mean"):
        generator.head(latents(), "8.conv3")


@pytest.mark.parametrize(
    ("changes", "config", "sentence"),
    [
        ({"layer3.bias": None}, {}, r"no tensor 'layer3\.bias'"),
        ({"layer1.bias": None}, {}, r"no tensor 'layer1\.bias'"),
        ({"output2.weight": None}, {}, r"1 missing \(output2\.weight\)"),
        ({"mapping.w": torch.zeros(1)}, {}, r"1 not part of it \(mapping\.w\)"),
        ({"layer4.weight": torch.zeros(32, 32, 5, 5)}, {}, r"layer4\.weight \[32, 32, 5, 5\] inst"),
        ({"layer5.bias": torch.full((32,), torch.nan)}, {}, r"1 not finite .*\(layer5\.bias"),
        ({"lod": torch.tensor(7.0)}, {}, r"lod 7, expected 0 \(all grown\) to 3"),
        ({}, {"label_size": 32}, "label_size=32, but z and label are 32 numbers"),
        ({}, {"label_size": -1}, "label_size=-1, expected a whole number from 0"),
        ({}, {"final_tanh": 1}, "final_tanh=1, expected false or true"),
        ({}, {"use_wscale": False}, "use_wscale=False, expected true"),
    ],
)
def test_a_bad_file_is_one_sentence(changes, config, sentence):
    with pytest.raises(PandaError, match=sentence):
        from_checkpoint(checkpoint(GENFORCE, config, **changes), CPU, torch.float32)


def test_a_bad_tensorflow_file_says_whose_names_it_uses():
    bad = checkpoint(TENSORFLOW, **{"16x16/Conv1/weight": None})
    with pytest.raises(PandaError, match=r"\(layer5\.weight\), in genforce's names for Tens"):
        from_checkpoint(bad, CPU, torch.float32)


def test_other_names_are_not_recognized():
    assert not recognizes(Checkpoint("x", {"synthesis.layer0.weight": torch.zeros(1, 1, 1, 1)}))
    assert not recognizes(Checkpoint("x", {"layer0.weight": torch.zeros(4, 4)}))


def test_double_precision_agrees():
    double = from_checkpoint(checkpoint(GENFORCE), CPU, torch.float64)
    image = double.forward(Latents((0, 1), {"z": golden(GENFORCE)["z"].double()}))
    assert image.dtype == torch.float64
    assert error(image, golden(GENFORCE)["image"]) <= IMAGES


def hub_tensors() -> dict[str, torch.Tensor]:
    """The golden as TensorFlow Hub would store it: scaled HWIO kernels, 0.5 added to the image."""
    tensors, scope = checkpoint(GENFORCE).tensors, "module_apply_default"
    constants = {f"{scope}/add_26": tensors["output3.bias"] + 0.5}
    for k in range(9):
        weight = tensors[f"layer{k}.weight" if k < 8 else "output3.weight"]
        gain = 2**0.5 if k < 8 else 1.0
        kernel = weight.permute(2, 3, 1, 0) * (gain / weight[0].numel() ** 0.5)
        constants[f"{scope}/Conv2D{f'_{k}' if k else ''}/merged_input"] = kernel
        if k < 8:
            constants[f"module/g_model/res_{k // 2}/conv{k % 2}/bias"] = tensors[f"layer{k}.bias"]
    return constants


def test_tensorflow_hub_constants_become_the_same_generator(generator):
    converted = load(Checkpoint("tensorflowjs", hub_tensors()))
    assert error(converted.forward(latents()), generator.forward(latents())) <= IMAGES


@pytest.mark.download
def test_the_celeba_card_gives_the_images_of_the_original(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    card = plugin.panda_generators()["progan-celeba-128"]
    generator = card.load(CPU, torch.float32)
    assert plugin.WEIGHTS.cached
    assert tuple(generator.layers.values()) == card.layers
    io = golden("progan-celeba-128")  # stored as float16; images are before the module's clip
    faces = Latents((0, 1), {"z": io["z"]})
    image = generator.forward(faces)
    assert beyond_rounding(image + 0.5, io["image"]) <= IMAGES
    assert (image.abs() > 1).float().mean() < 0.03, "photographs end at black and white"
    for pixels in (4, 8):
        # The original's features are those after the pixel norm.
        x = pixel_norm(generator.head(faces[:1], f"{pixels}.conv2").x, 1.0)
        assert beyond_rounding(x, io[f"feat0.{pixels}"]) <= FEATURES


def beyond_rounding(x: torch.Tensor, stored: torch.Tensor) -> float:
    """The largest error that rounding to float16 does not explain."""
    return float(((x - stored.float()).abs() - 2**-11 * x.abs()).max())
