"""ProGAN against the results of genforce's and TensorFlow's code."""

from __future__ import annotations

import pytest
import torch
from backend_checks import (
    CPU,
    FEATURES,
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

import panda_plugins.proggan as plugin
from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.generators.contract import Latents
from panda_plugins.proggan.backend import ProGAN
from panda_plugins.proggan.checkpoint import build, from_checkpoint, recognizes
from panda_plugins.proggan.network import Conv, pixel_norm

GENFORCE, TENSORFLOW = "proggan-genforce", "proggan-tf"


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
    for config in ({}, {"fused_scale": True}):  # layer6 changes the number of channels
        fused = load(Checkpoint("genforce", tensors, config))
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
    network = build(meta_checkpoint(name).tensors)
    data = full_size(name)
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == data["tensors"]
    for index, (channels, height, _) in data["features"].items():
        assert network.channels[int(index) - 3] == channels
        assert f"{height}.conv2" == layer_of(index)


def test_labels_truncation_and_unknown_layers_are_refused(generator):
    with pytest.raises(PandaError, match="no classes, but label 3"):
        generator.sample([0], label=3)
    with pytest.raises(PandaError, match=r"no truncation, but 0\.7"):
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
        ({}, {"label_size": 10}, "label_size = 10 is not supported"),
        ({}, {"final_tanh": True}, "final_tanh = True is not supported"),
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
