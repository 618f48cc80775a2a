"""StyleGAN2 against the op-by-op formulation, where no golden reaches."""

import pytest
import torch
from golden_files import CPU
from plain_stylegan2 import synthesize

from panda_plugins.stylegan2.backend import StyleGAN2
from panda_plugins.stylegan2.network import FILTER, Config, Network

pytestmark = pytest.mark.numeric


def build(dtype=torch.float32, **options):
    """A network with random weights, and its tensors."""
    torch.manual_seed(0)
    network = Network(Config(**{"z_dim": 16, "w_dim": 16, "mapping_layers": 2} | options))
    for name, tensor in network.state_dict().items():
        tensor.copy_(torch.randn(tensor.shape))
        if name.endswith("resample_filter"):
            tensor.copy_(FILTER)
    generator = StyleGAN2(network, CPU, dtype)
    return generator, dict(network.state_dict())


def check(generator, tensors, tolerance, **options):
    z = generator.sample([0, 1, 2], truncation=1.0)
    expected = synthesize(tensors, z.tensors["w"], **options)
    scale = expected.abs().max()
    image = generator.forward(z)
    assert (image - expected).abs().max() < tolerance * scale
    for name in generator.layers:
        assert torch.equal(generator.tail(generator.head(z, name), name), image)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_every_architecture(architecture):
    generator, tensors = build(channels=(24, 16, 12), architecture=architecture)
    check(generator, tensors, 1e-5)


def test_wide_layers_go_through_winograd():
    generator, tensors = build(channels=(200, 200, 12))
    wide = [conv.winograd is not None for _, conv in generator.network.synthesis.convolutions()]
    assert wide == [True, False, True, False, False]
    check(generator, tensors, 1e-5)


def test_the_clamp_bounds_the_features_and_changes_the_image():
    generator, tensors = build(channels=(24, 16, 12), conv_clamp=0.5)
    check(generator, tensors, 1e-5, clamp=0.5)
    z = generator.sample([0, 1, 2], truncation=1.0)
    for name in generator.layers:
        x = generator.head(z, name).x
        assert x.max() == 0.5 and x.min() >= -0.5


def test_half_precision_layers_stay_close_as_on_a_gpu():
    generator, tensors = build(channels=(24, 16, 12), conv_clamp=256, num_fp16_res=2)
    check(generator, tensors, 1e-5, clamp=256)  # on a CPU they are in full precision
    generator.network.synthesis.half_from = 8
    check(generator, tensors, 1e-2, clamp=256)
    z = generator.sample([0])
    assert generator.head(z, "8.conv1").x.dtype == torch.float32
    assert torch.equal(
        generator.head(z, "8.conv1").x, generator.head(z, "8.conv1").x.half().float()
    )


def test_half_precision_survives_large_weights():
    generator, tensors = build(channels=(24, 16, 12), conv_clamp=256, num_fp16_res=2)
    for name, tensor in tensors.items():
        if name.endswith(("conv0.weight", "conv1.weight")):
            tensor.mul_(1e4)
    generator.network.prepare()
    generator.network.synthesis.half_from = 8
    check(generator, tensors, 1e-2, clamp=256)
