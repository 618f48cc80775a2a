"""Images that are not square, not a power of two, gray or RGBA, against the original code."""

import numpy as np
import pytest
import torch
from golden_files import CPU, FOLDER, checkpoint, io, near

from panda import Latents, PandaError, create_generator
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda_plugins.common import winograd
from panda_plugins.proggan.checkpoint import from_checkpoint as proggan
from panda_plugins.stylegan.checkpoint import from_checkpoint as stylegan
from panda_plugins.stylegan2.checkpoint import from_checkpoint as stylegan2
from panda_plugins.stylegan2.names import GENFORCE, ROSINALITY, TENSORFLOW
from panda_plugins.stylegan3.checkpoint import from_checkpoint as stylegan3

FOLDERS = sorted(f"shapes/{path.name}" for path in (FOLDER / "shapes").iterdir())
RECTANGLE = "shapes/stylegan2-rect-3x5"


def load(folder, **changes):
    source = checkpoint(folder)
    tensors = {**source.tensors, **changes}
    build = stylegan3 if "stylegan3" in folder else stylegan2
    return build(Checkpoint("test", tensors, source.config), CPU, torch.float32)


def latents(generator):
    z = torch.from_numpy(np.random.RandomState(0).randn(1, 32)).float()
    return Latents((0,), {"w": generator.truncate(generator.map(z), 0.7)})


def test_there_are_eight_shapes():
    assert len(FOLDERS) == 8


@pytest.mark.parametrize("wide", [False, True], ids=["direct", "winograd"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_images_are_those_of_the_original_code(folder, wide, monkeypatch):
    if wide:
        monkeypatch.setattr(winograd, "CHANNELS", 1)
    generator, expected = load(folder), io(folder)["image"]
    near(generator.forward(latents(generator)), expected, 1e-4)
    assert (generator.channels, *generator.size) == expected.shape[1:]
    first, *_ = generator.layers
    state = generator.head(latents(generator), first)
    for before, layer in zip([first, *generator.layers], generator.layers.values(), strict=False):
        state = generator.advance(state, before, layer.name)
        assert state.x.shape == (1, layer.channels, layer.height, layer.width)
    near(generator.tail(state, layer.name), expected, 1e-4)


def test_layers_of_a_rectangle_are_named_by_their_height():
    sizes = {name: (layer.height, layer.width) for name, layer in load(RECTANGLE).layers.items()}
    assert sizes == {
        "3.conv1": (3, 5),
        "6.conv0": (6, 10),
        "6.conv1": (6, 10),
        "12.conv0": (12, 20),
        "12.conv1": (12, 20),
        "24.conv0": (24, 40),
        "24.conv1": (24, 40),
    }


def test_margins_of_96_pixels_are_those_of_an_image_in_the_middle_of_128():
    layers = load("shapes/stylegan3-t-96").layers.values()
    inside = {16: 12, 32: 24, 64: 48, 128: 96}
    for layer in layers:
        rate = layer.height - 20  # NVIDIA's margin is 10 on each side
        assert layer.side == inside.get(rate, 96)


def respelled(tensors, spelling):
    """NVIDIA's tensors as another code base stores them."""
    written = {}
    for ours, tensor in tensors.items():
        theirs = spelling.name(ours)
        if theirs is None:
            continue
        value = tensor
        if ours.endswith("resample_filter"):
            value = tensor * 4
        elif spelling is ROSINALITY:
            if ours.endswith("torgb.bias"):
                value = tensor.view(1, -1, 1, 1)
            elif ours.endswith("noise_const"):
                value = tensor[None, None]
            elif ours.endswith((".const", "noise_strength")) or ours.split(".")[-2] in (
                "conv0",
                "conv1",
                "torgb",
            ):
                value = tensor if ours.endswith(".bias") else tensor[None]
        else:
            if ours.endswith("conv0.weight"):
                value = tensor.flip(2, 3)
            elif ours.endswith("affine.bias"):
                value = tensor - 1
            elif ours.endswith(".const"):
                value = tensor[None]
            elif ours.endswith("noise_const"):
                value = tensor[None, None]
            if spelling is TENSORFLOW and value.ndim == 4 and ours.endswith(".weight"):
                value = value.permute(2, 3, 1, 0)
            elif spelling is TENSORFLOW and value.ndim == 2 and ours.endswith(".weight"):
                value = value.T
        written[theirs] = value.contiguous()
    return written


@pytest.mark.filterwarnings("ignore:.*does not say how")
@pytest.mark.parametrize("spelling", [GENFORCE, ROSINALITY, TENSORFLOW], ids=lambda s: s.origin)
@pytest.mark.parametrize("folder", [f for f in FOLDERS if "stylegan2" in f])
def test_every_container_shows_its_shape_by_its_tensors(folder, spelling):
    tensors = respelled(checkpoint(folder).tensors, spelling)
    generator = stylegan2(Checkpoint("test", tensors), CPU, torch.float32)
    near(generator.forward(latents(generator)), io(folder)["image"], 1e-4)


def test_a_converted_file_keeps_the_shape_and_the_image(tmp_path):
    for folder in (RECTANGLE, "shapes/stylegan2-ada-rgba", "shapes/stylegan3-t-gray"):
        first = read_checkpoint(FOLDER / folder / "network.safetensors")
        save_checkpoint(tmp_path / "again", first)
        generator = create_generator(tmp_path / "again")
        near(generator.forward(latents(generator)), io(folder)["image"], 1e-4)


@pytest.mark.filterwarnings("ignore:.*does not say how")
def test_a_rectangle_without_stored_noise_gets_noise_of_its_shape():
    tensors = respelled(checkpoint(RECTANGLE).tensors, ROSINALITY)
    bare = {name: t for name, t in tensors.items() if not name.startswith("noises.")}
    generator = stylegan2(Checkpoint("test", bare), CPU, torch.float32)
    assert generator.size == (24, 40)
    assert generator.forward(generator.sample([0])).shape == (1, 3, 24, 40)


@pytest.mark.filterwarnings("ignore:.*does not say how")
@pytest.mark.parametrize(
    ("side", "sentence"),
    [
        (8192, "makes images of 65536 x 65536 pixels, expected at most 16384 on a side"),
        (2048, "more memory than the file can fill"),
    ],
)
def test_a_small_file_cannot_ask_for_a_large_image(side, sentence):
    tensors = respelled(checkpoint(RECTANGLE).tensors, ROSINALITY)
    bare = {name: t for name, t in tensors.items() if not name.startswith("noises.")}
    bare["input.input"] = torch.zeros(()).expand(1, 32, side, side)
    with pytest.raises(PandaError, match=sentence):
        stylegan2(Checkpoint("test", bare), CPU, torch.float32)


@pytest.mark.parametrize("folder", [RECTANGLE, "shapes/stylegan2-ada-gray"])
def test_a_tensor_of_another_shape_is_named_and_does_not_change_the_network(folder):
    tensors = checkpoint(folder).tensors
    channels = len(tensors["synthesis.b32.torgb.bias"])
    for name, wrong in {
        "synthesis.b4.const": torch.zeros(32, 5, 3),
        "synthesis.b16.conv0.noise_const": torch.zeros(16, 12),
        "synthesis.b32.torgb.bias": torch.zeros(5 - channels),
    }.items():
        expected = rf"{name} {list(wrong.shape)} instead of {list(tensors[name].shape)}"
        with pytest.raises(PandaError) as caught:
            load(folder, **{name: wrong})
        assert expected in str(caught.value)


def test_images_of_two_channels_are_refused():
    changes = {
        f"synthesis.b{4 << k}.torgb.{part}": torch.zeros(shape)
        for k, width in enumerate((32, 32, 32, 16))
        for part, shape in {"weight": (2, width, 1, 1), "bias": (2,)}.items()
    }
    with pytest.raises(PandaError, match=r"images of 2 channels, expected 1 \(gray\), 3 \(RGB\)"):
        load(RECTANGLE, **changes)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    "folder", ["proggan-genforce", "proggan-tf", "stylegan1-genforce", "stylegan1-tf"]
)
def test_gray_and_rgba_of_older_networks_are_their_channels(folder, channels):
    """Every channel is made by its own row of the last layer."""
    build = proggan if "proggan" in folder else stylegan
    source, rows = checkpoint(folder), [0, 1, 2, 0][:channels]
    tensors = dict(source.tensors)
    for name, tensor in tensors.items():
        if "ToRGB" in name:
            tensors[name] = tensor[..., rows]
        elif "output" in name:
            tensors[name] = tensor[rows]
    color = build(source, CPU, torch.float32)
    other = build(Checkpoint("test", tensors, source.config), CPU, torch.float32)
    assert (other.channels, other.size) == (channels, color.size)
    z = color.sample([0, 1])
    near(other.forward(z), color.forward(z)[:, rows], 1e-6)
    layer = list(color.layers)[-2]
    assert torch.equal(other.tail(other.head(z, layer), layer), other.forward(z))
