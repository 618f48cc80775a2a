"""StyleGAN3 T and R against the results of NVIDIA's code."""

from __future__ import annotations

import math

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
    facts,
    full_size,
    golden,
    meta_checkpoint,
)
from plain_stylegan3 import run
from torch.nn import functional as F

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.generators.contract import Latents
from panda_plugins.stylegan3.backend import StyleGAN3
from panda_plugins.stylegan3.checkpoint import build, from_checkpoint, recognizes
from panda_plugins.stylegan3.design import Sampling, low_pass
from panda_plugins.stylegan3.network import Config, SynthesisLayer
from panda_plugins.stylegan3.resample import Resampler

T, R = "stylegan3-t", "stylegan3-r"
BOTH = pytest.mark.parametrize("folder", [T, R])


def source(folder: str, **changes: torch.Tensor | None) -> Checkpoint:
    return checkpoint(folder, facts(folder)["kwargs"], **changes)


@pytest.fixture(scope="module")
def generators() -> dict[str, StyleGAN3]:
    return {folder: from_checkpoint(source(folder), CPU, torch.float32) for folder in (T, R)}


def latents(folder: str, name: str = "ws_psi") -> Latents:
    return Latents((0, 1), {"w": golden(folder)[name]})


@BOTH
def test_features_images_and_edits_are_those_of_nvidia(generators, folder):
    io, generator = golden(folder), generators[folder]
    layers = list(generator.layers)
    image = generator.forward(latents(folder))
    assert error(image, io["image"]) <= IMAGES
    assert error(image[:1] / 0.25, io["feat.15"]) <= FEATURES
    for index, layer in enumerate(layers):
        features = generator.head(latents(folder)[:1], layer).x
        assert error(features, io[f"feat.{index}"]) <= FEATURES, layer
    for edit in {name.rpartition(".")[0] for name in io if name.startswith("edit.")}:
        layer = layers[int(edit.split(".")[1])]
        changed = edited(generator, latents(folder), layer, io, edit)
        assert error(changed, io[f"{edit}.image"]) <= IMAGES


@BOTH
def test_w_and_truncation_are_those_of_nvidia(generators, folder, monkeypatch):
    io, generator = golden(folder), generators[folder]
    psi = float(io["psi"])
    w = generator.map(io["z"])
    assert error(w, io["w"]) <= 1e-5
    assert error(generator.truncate(w, psi), io["ws_psi"]) <= 1e-5
    untruncated = Latents((0, 1), {"w": generator.truncate(w, 1.0)})
    assert error(generator.forward(untruncated), io["image_psi1"]) <= IMAGES
    monkeypatch.setattr(generator, "cutoff", 5)
    assert error(generator.truncate(w, psi), io["ws_psi_cutoff5"]) <= 1e-5
    image = generator.forward(latents(folder, "ws_psi_cutoff5"))
    assert error(image, io["image_cutoff5"]) <= IMAGES


@BOTH
def test_the_stored_transform_of_the_input_is_honored(folder):
    io = golden(folder)
    turned = from_checkpoint(
        source(folder, **{"synthesis.input.transform": io["user_transform"]}), CPU, torch.float32
    )
    features = turned.head(latents(folder)[:1], "input").x
    assert error(features, io["feat0_user_transform"]) <= FEATURES
    assert error(turned.forward(latents(folder)), io["image_user_transform"]) <= IMAGES


@BOTH
def test_layers_are_those_of_the_original(generators, folder):
    generator, original = generators[folder], facts(folder)
    assert [*generator.layers, original["layer_names"][-1]] == ["input", *original["layer_names"]]
    margins = [layer.margin for layer in generator.layers.values()]
    assert margins == [10] * 14 + [0]  # the last but one is cut to the image
    for layer in original["layers"]:
        design = generator.network.synthesis.get_submodule(layer["name"]).design
        assert (design.up, design.down) == (layer["up_factor"], layer["down_factor"])
        assert design.use_fp16 == layer["use_fp16"]
        size = layer["in_size"][0] + layer["conv_kernel"] - 1
        assert design.padding(size) == layer["padding"][0]


@pytest.mark.filterwarnings("ignore:.*does not say how")
def test_without_arguments_shapes_show_the_rest(generators):
    for folder in (T, R):
        inferred = from_checkpoint(checkpoint(folder), CPU, torch.float32)
        assert recognizes(checkpoint(folder))
        assert inferred.network.config.sampling == generators[folder].network.config.sampling
    assert (
        inferred.network.config.conv_clamp == 256
    )  # the default of NVIDIA's constructor; the file has 0.7
    assert generators[R].network.config.conv_clamp == 0.7


@pytest.mark.parametrize(
    "name",
    [
        *(f"stylegan3-{kind}-256-cbase16384" for kind in "tr"),
        *(f"stylegan3-{kind}-{size}-cbase32768" for kind in "tr" for size in (256, 512, 1024)),
    ],
)
@pytest.mark.parametrize("arguments", [True, False])
def test_official_names_and_shapes_are_ours(name, arguments):
    data, official = full_size(name), meta_checkpoint(name)
    network = build(official if arguments else Checkpoint(name, official.tensors))
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == data["tensors"]
    for expected in data["layers"]:
        design = network.synthesis.get_submodule(expected["name"]).design
        assert (design.up, design.down) == (expected["up"], expected["down"])
        assert design.use_fp16 == expected["fp16"]
        kernel = network.synthesis.get_submodule(expected["name"]).kernel
        assert design.padding(design.source.size + kernel - 1) == expected["pad"][0]


def conditional() -> Checkpoint:
    """The T golden with 5 classes: another mapping, random embedding."""
    draw = torch.Generator().manual_seed(0)
    wide = torch.randn(32, 64, generator=draw)
    embed = torch.randn(32, 5, generator=draw)
    changes = {"mapping.fc0.weight": wide, "mapping.embed.weight": embed}
    return source(T, **changes, **{"mapping.embed.bias": torch.randn(32, generator=draw)})


def test_labels_choose_w():
    generator = from_checkpoint(conditional(), CPU, torch.float32)
    conform(lambda *place: from_checkpoint(conditional(), *place))
    drawn = generator.sample([1, 2], truncation=1.0)
    chosen = generator.sample([1, 2], truncation=1.0, label=4)
    assert torch.equal(drawn.tensors["z"], chosen.tensors["z"])
    assert error(drawn.tensors["w"], chosen.tensors["w"]) > 1e-3
    z = chosen.tensors["z"]
    tensors = conditional().tensors
    y = tensors["mapping.embed.weight"][:, 4] / math.sqrt(5) + tensors["mapping.embed.bias"]
    x = torch.cat([v * (v.square().mean(1, keepdim=True) + 1e-8).rsqrt() for v in (z, y[None])], 0)
    x = torch.cat([x[:2], x[2:].expand(2, -1)], 1)
    for name in ("fc0", "fc1"):
        weight = tensors[f"mapping.{name}.weight"]
        x = x @ weight.T * (0.01 / math.sqrt(weight.shape[1]))
        x = F.leaky_relu(x + tensors[f"mapping.{name}.bias"] * 0.01, 0.2) * math.sqrt(2)
    assert error(chosen.tensors["w"][:, 0], x) <= 1e-5
    with pytest.raises(PandaError, match="classes 0 to 4, but 5 was given"):
        generator.sample([0], label=5)


def test_labels_are_refused_where_there_are_none(generators):
    with pytest.raises(PandaError, match="no classes, but label 0"):
        generators[T].sample([0], label=0)


@pytest.mark.parametrize(
    ("up", "down", "padding", "size_in", "size", "radial"),
    [
        (2, 2, 9, 38, 36, False),
        (4, 2, -6, 38, 52, False),
        (4, 2, -2, 36, 52, True),
        (2, 2, -11, 54, 32, False),
        (2, 2, 11, 84, 84, True),
    ],
)
def test_tiles_equal_the_activation_op_by_op(up, down, padding, size_in, size, radial):
    draw = torch.Generator().manual_seed(size)
    x = torch.randn(2, 3, size_in, size_in, generator=draw)
    up_filter = torch.from_numpy(low_pass(6 * up, 4, 8, 64)).float()
    down_filter = torch.from_numpy(low_pass(6 * down, 8, 12, 64, radial)).float()
    resampler = Resampler(
        up_filter, down_filter, up=up, down=down, padding=padding, size_in=size_in, size=size,
        clamp=0.8,
    )  # fmt: skip
    stuffed = x.new_zeros(2, 3, size_in * up, size_in * up)
    stuffed[:, :, ::up, ::up] = x
    total = (size - 1) * down + len(down_filter) + len(up_filter) - 1 - size_in * up
    y = F.pad(stuffed, (padding, total - padding) * 2).flatten(0, 1)[:, None]
    y = F.conv2d(y, torch.outer(up_filter, up_filter)[None, None]) * up**2
    y = (F.leaky_relu(y, 0.2) * math.sqrt(2)).clamp(-0.8, 0.8)
    plane = down_filter if radial else torch.outer(down_filter, down_filter)
    y = F.conv2d(y, plane[None, None])[:, :, ::down, ::down]
    assert error(resampler(x), y.view(2, 3, size, size)) <= 2e-6


@BOTH
def test_the_network_equals_the_formulas_op_by_op(generators, folder):
    generator, z = generators[folder], latents(folder)
    network = generator.network
    layers = run(
        network.state_dict(),
        [layer.design for layer in network.synthesis.layers],
        network.synthesis.input.rate,
        z.tensors["w"],
        clamp=network.config.conv_clamp,
        scale=network.config.output_scale,
    )
    for name, x in layers:
        if name == "image":
            assert error(generator.forward(z), x) <= IMAGES
        else:
            assert error(generator.head(z, name).x, x) <= FEATURES


def test_wide_layers_convolve_as_narrow_ones():
    """With many channels a CPU runs another algorithm."""
    designs = Sampling().layers(64)
    config = Config(resolution=64, channels_in=192, channels=(192,), w_dim=16)
    layer = SynthesisLayer(config, 192, 192, designs[1]).requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.normal_(generator=draw)
    layer.magnitude_ema.fill_(1.5)
    for name, taps in designs[1].filters.items():
        layer.get_buffer(name).copy_(torch.from_numpy(taps))
    layer.prepare()
    assert layer.winograd is not None
    x, w = (torch.randn(shape, generator=draw) for shape in ((2, 192, 36, 36), (2, 16)))
    fast, layer.winograd = layer(x, w), None
    assert error(fast, layer(x, w)) <= FEATURES


@BOTH
def test_half_precision_layers_stay_close(folder):
    """The path that a GPU takes, run on the CPU: rounded, and not far off."""
    generator = from_checkpoint(source(folder), CPU, torch.float32)
    for layer in generator.network.synthesis.layers:
        assert layer.design.use_fp16
        assert not layer.in_half, "on a CPU every layer is in full precision"
        layer.in_half = True
    state = generator.head(latents(folder), "L8_52_8")
    assert state.x.dtype == torch.float32
    assert torch.equal(state.x, state.x.half().float())
    assert 1e-6 < error(generator.forward(latents(folder)), golden(folder)["image"]) < 5e-3


def test_double_precision_agrees():
    double = from_checkpoint(source(R), CPU, torch.float64)
    image = double.forward(Latents((0, 1), {"w": golden(R)["ws_psi"].double()}))
    assert image.dtype == torch.float64
    assert error(image, golden(R)["image"]) <= IMAGES


@pytest.mark.parametrize(
    ("changes", "config", "sentence"),
    [
        ({"synthesis.L3_36_8.bias": None}, {}, r"1 missing \(synthesis\.L3_36_8\.bias\)"),
        ({"synthesis.L3_36_8.weight": None}, {}, "no weight of StyleGAN3 layer L3"),
        ({"mapping.w_avg": None}, {}, r"no tensor 'mapping\.w_avg'"),
        (
            {"synthesis.b4.const": torch.zeros(8, 4, 4)},
            {},
            r"1 not part of it \(synthesis\.b4\.con",
        ),
        ({"synthesis.L1_36_8.bias": torch.zeros(9)}, {}, r"L1_36_8\.bias \[9\] instead of \[8\]"),
        ({"synthesis.input.freqs": torch.full((8, 2), torch.nan)}, {}, "1 not finite floating"),
        (
            {"synthesis.L5_52_8.up_filter": torch.ones(24) / 24},
            {},
            r"synthesis\.L5_52_8\.up_filter is not the low-pass filter of cutoff 4 to 4\.75683",
        ),
        ({}, {"last_stopband_rel": 1.5}, r"L0_36_8\.\w+_filter is not|L4_36_8|filter of cutoff"),
        ({}, {"margin_size": 12}, r"missing \(synthesis\.L0_40_8"),
        ({}, {"num_layers": 12}, "15 StyleGAN3 layers, but its constructor's arguments say"),
        ({}, {"img_resolution": 3}, "img_resolution = 3, expected a whole number, 4 to 8192"),
        ({}, {"img_resolution": True}, "img_resolution = True, expected a whole number"),
        ({}, {"img_resolution": 48}, r"missing \(synthesis\.L\d+_\d+"),
        (
            {f"synthesis.L14_32_3.{n}": None for n in ("weight", "bias")}
            | {"synthesis.L14_32_2.weight": torch.zeros(2, 8, 1, 1)},
            {},
            r"StyleGAN3 makes images of 2 channels, expected 1 \(gray\), 3 \(RGB\) or 4 \(RGBA\)",
        ),
        ({}, {"filter_size": 1024, "lrelu_upsampling": 1024}, "more memory than the file can fill"),
        ({}, {"filter_size": 10**9}, "filter_size = 1000000000, expected something like 6"),
        ({}, {"conv_clamp": "much"}, "conv_clamp='much', expected a number from 0 to 2.32 or null"),
    ],
)
def test_a_bad_file_is_one_sentence(changes, config, sentence):
    bad = checkpoint(T, {**facts(T)["kwargs"], **config}, **changes)
    with pytest.raises(PandaError, match=sentence):
        from_checkpoint(bad, CPU, torch.float32)
