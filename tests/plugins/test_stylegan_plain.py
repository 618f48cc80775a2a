"""StyleGAN against its formulas op by op, up to the sizes that no golden reaches."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden_files import CPU
from plain_stylegan import run

from panda_plugins.stylegan.backend import StyleGAN
from panda_plugins.stylegan.network import BLUR, Config, Network

pytestmark = pytest.mark.numeric


def build(**options):
    torch.manual_seed(0)
    network = Network(Config(**{"z_dim": 16, "w_dim": 16, "mapping_layers": 2} | options))
    for name, tensor in network.state_dict().items():
        tensor.copy_(BLUR if name.endswith("kernel") else torch.randn(tensor.shape))
    return StyleGAN(network, CPU, torch.float32), dict(network.state_dict())


def synthesize(tensors, w):
    """Images from genforce's tensors and w ``[N, num_layers, w_dim]``."""
    *_, (_, image) = run(tensors, w)
    return image


def test_both_ways_of_upsampling():
    generator, tensors = build(channels=(12, 8, 8, 6, 4, 4, 3))
    assert generator.size == (256, 256)  # from 128 on, the weights are fused otherwise
    check(generator, tensors)


@pytest.mark.parametrize(("const", "colors"), [((3, 5), 1), ((8, 4), 4)])
def test_constants_of_any_size_and_images_of_any_channels(const, colors):
    generator, tensors = build(channels=(12, 8, 8), const=const, image_channels=colors)
    assert (generator.size, generator.channels) == ((const[0] * 4, const[1] * 4), colors)
    assert next(iter(generator.layers)) == f"{const[0]}.const"
    check(generator, tensors)


def check(generator, tensors):
    z = generator.sample([0, 1], truncation=1.0)
    expected, image = synthesize(tensors, z.tensors["w"]), generator.forward(z)
    assert (image - expected).abs().max() < 2e-5 * expected.abs().max()
    for name in generator.layers:
        assert torch.equal(generator.tail(generator.head(z, name), name), image)


def test_wide_layers_go_through_winograd():
    generator, tensors = build(channels=(200, 200))
    z = generator.sample([0, 1], truncation=1.0)
    assert generator.network.synthesis.layers[3].winograd is not None
    expected = synthesize(tensors, z.tensors["w"])
    assert (generator.forward(z) - expected).abs().max() < 2e-5 * expected.abs().max()


def test_labels_join_z_before_the_norm():
    generator, tensors = build(channels=(8, 8), classes=3)
    z, hot = torch.randn(2, 16), torch.eye(3)[[2, 0]]
    x = torch.cat([z, tensors["mapping.label_weight"][[2, 0]]], 1)
    x = x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(2):
        weight = tensors[f"mapping.dense{i}.weight"] * 0.01 * math.sqrt(2 / x.shape[1])
        x = F.leaky_relu(x @ weight.T + tensors[f"mapping.dense{i}.bias"] * 0.01, 0.2)
    torch.testing.assert_close(generator.map(z, hot), x)
