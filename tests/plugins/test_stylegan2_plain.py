"""StyleGAN2 against the op-by-op formulation, where no golden reaches."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from golden_files import CPU
from plain_stylegan2 import fir, synthesize, zeros_between
from scipy.signal import convolve2d

from panda_plugins.stylegan2.backend import SKIP, StyleGAN2
from panda_plugins.stylegan2.network import FILTER, Config, Network

pytestmark = pytest.mark.numeric


SKEWED = torch.outer(torch.tensor([1.0, 2, 3, 4]), torch.tensor([5.0, 1, -2, 3])) / 70
"""A resampling filter without any symmetry."""


def build(dtype=torch.float32, taps=FILTER, **options):
    """A network with random weights, and its tensors."""
    torch.manual_seed(0)
    network = Network(Config(**{"z_dim": 16, "w_dim": 16, "mapping_layers": 2} | options))
    for name, tensor in network.state_dict().items():
        tensor.copy_(torch.randn(tensor.shape))
        if name.endswith("resample_filter"):
            tensor.copy_(taps)
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
    state = generator.head(z, next(iter(generator.layers)))
    for before, name in pairwise(generator.layers):
        state = generator.advance(state, before, name)
        assert torch.equal(state.x, generator.head(z, name).x)
        assert torch.equal(generator.tail(state, name), image)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_every_architecture(architecture):
    generator, tensors = build(channels=(24, 16, 12), architecture=architecture)
    check(generator, tensors, 1e-5)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize(("const", "colors"), [((3, 5), 4), ((8, 2), 1), ((1, 1), 3)])
def test_every_architecture_from_constants_of_any_size_to_images_of_any_channels(
    architecture, const, colors
):
    generator, tensors = build(
        channels=(24, 16, 12), architecture=architecture, const=const, image_channels=colors
    )
    assert (generator.size, generator.channels) == ((const[0] * 4, const[1] * 4), colors)
    check(generator, tensors, 1e-5)


@pytest.mark.parametrize("skip", SKIP)
def test_the_skip_image_is_the_same_whether_a_layer_is_reached_by_head_or_step_by_step(skip):
    generator, _ = build(channels=(24, 16, 12))
    generator.skip = skip
    z = generator.sample([0, 1])
    state = generator.head(z, next(iter(generator.layers)))
    for before, name in pairwise(list(generator.layers)[:-1]):
        state = generator.advance(state, before, name)
        there = generator.head(z, name)
        edited = there.x + 1
        images = [generator.tail(s.with_features(edited), name) for s in (there, state)]
        assert torch.equal(*images)
    begun = generator.head(z, "8.conv0").with_features(edited.new_ones(2, 16, 8, 8))
    image = generator.tail(generator.advance(begun, "8.conv0", "16.conv0"), "16.conv0")
    # What 8.conv1 paints on the way is dropped there, as head to 16.conv0 drops it.
    assert torch.equal(image, generator.tail(begun, "8.conv0")) is (skip != "drop")


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_a_filter_that_is_not_symmetric_is_convolved(architecture):
    generator, tensors = build(channels=(24, 16, 12), architecture=architecture, taps=SKEWED)
    check(generator, tensors, 1e-5)


def test_the_plain_filter_is_the_documented_operation():
    """Upsample by zeros, pad, convolve: NVIDIA's upfirdn2d, here by SciPy."""
    x, pad = torch.randn(2, 3, 5, 6, dtype=torch.float64), (2, 1)
    upsampled = torch.zeros(2, 3, 10, 12, dtype=torch.float64)
    upsampled[:, :, ::2, ::2] = x
    padded = np.pad(upsampled.numpy(), ((0, 0), (0, 0), pad, pad))
    expected = [[convolve2d(plane, SKEWED, mode="valid") for plane in maps] for maps in padded]
    given = fir(zeros_between(x), pad, SKEWED.double())
    np.testing.assert_allclose(given.numpy(), np.array(expected), atol=1e-12)
    assert not np.allclose(given.numpy(), fir(zeros_between(x), pad, SKEWED.double().flip(0, 1)))


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
    generator.network.synthesis.half_from = 1
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
    generator.network.synthesis.half_from = 1
    check(generator, tensors, 1e-2, clamp=256)
