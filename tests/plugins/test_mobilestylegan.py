"""MobileStyleGAN against the results of the authors' code, and its formulas op by op."""

import pytest
import torch
from conftest import golden
from plain_mobilestylegan import run
from torch.nn import functional as F

from panda import Generator, Latents
from panda_plugins.mobilestylegan import LAYERS, products
from panda_plugins.mobilestylegan.network import double_haar


@pytest.fixture(scope="module")
def expected() -> dict[str, torch.Tensor]:
    return golden("mobilestylegan-ffhq")


@pytest.fixture(scope="module")
def latents(expected: dict[str, torch.Tensor]) -> Latents:
    return Latents((0, 1), {"z": expected["z"], "w": expected["w"]})


@pytest.fixture(scope="module")
def image(faces: Generator, latents: Latents) -> torch.Tensor:
    return faces.forward(latents)


def test_mapping_matches_the_original(faces, expected):
    w = faces.network.mapping(expected["z"])
    assert (w - expected["w"]).abs().max() < 1e-4


def test_image_matches_the_original(image, expected):
    assert image.shape == (2, 3, 1024, 1024)
    small = F.avg_pool2d(image[:1], 4)
    assert (small - expected["image_256_area"].float()).abs().max() < 3e-3


@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS])
def test_features_match_and_resuming_equals_the_plain_forward_pass(
    faces, latents, image, expected, layer
):
    state = faces.head(latents, layer)
    declared = faces.layers[layer]
    assert state.x.shape == (2, declared.channels, declared.height, declared.width)
    assert (state.x.mean((2, 3)) - expected[f"mean_over_space.{layer}"]).abs().max() < 1e-3
    assert (state.x.std((1, 2, 3)) - expected[f"std.{layer}"]).abs().max() < 1e-3
    before = state.x.clone()
    assert torch.equal(faces.tail(state, layer), image)
    assert torch.equal(state.x, before)


def test_advancing_from_an_edit_equals_resuming_from_it(faces, latents):
    state = faces.head(latents[:1], "4.conv")
    edited = state.with_features(state.x + 1)
    image, before = faces.tail(edited, "4.conv"), "4.conv"
    for layer in ("16.conv1", "32.conv2", "64.conv1", "128.conv2"):
        state = faces.advance(state, before, layer)
        edited = faces.advance(edited, before, layer)
        assert torch.equal(state.x, faces.head(latents[:1], layer).x)
        before = layer
    assert torch.equal(faces.tail(edited, before), image)


def test_the_network_equals_the_formulas_op_by_op(faces, latents, image):
    for name, x in run(faces.network.state_dict(), latents.tensors["w"][:1]):
        if name in ("4.conv", "16.conv1", "64.conv2"):
            features = faces.head(latents[:1], name).x
            assert (features - x).abs().max() < 1e-4 * x.abs().max()
    assert name == "image"
    assert (image[:1] - x).abs().max() < 1e-4 * x.abs().max()


def test_an_edit_matches_the_original(faces, latents, expected):
    state = faces.head(latents, "16.conv2")
    change = expected["edit.alpha"] * expected["edit.a"][:, None, None] * expected["edit.p"]
    edited = faces.tail(state.with_features(state.x + change), "16.conv2")
    small = F.avg_pool2d(edited[:1], 4)
    assert (small - expected["edit.image_256_area"].float()).abs().max() < 3e-3


def test_a_sample_depends_on_its_seed_alone(faces):
    together = faces.sample([3, 14, 15, 9, 26])
    alone = faces.sample([15])
    assert torch.equal(together.tensors["z"][2:3], alone.tensors["z"])
    images = faces.forward(together)
    assert torch.equal(images[2:3], faces.forward(alone))


def test_truncation_zero_gives_the_mean_face(faces):
    w = faces.sample([1, 2], truncation=0).tensors["w"]
    assert torch.allclose(w[0], w[1], atol=1e-6)


def test_gradients_reach_the_features(faces):
    state = faces.head(faces.sample([1]), "512.conv1")
    x = state.x.clone().requires_grad_()
    faces.tail(state.with_features(x), "512.conv1").square().sum().backward()
    assert x.grad.isfinite().all() and (x.grad != 0).any()


def test_the_wavelet_transform_can_be_differentiated():
    x = torch.randn(1, 2, 3, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(double_haar, x.requires_grad_())


def test_the_wavelet_transform_is_twice_an_orthonormal_one():
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    y = double_haar(x)
    assert y.shape == (2, 6, 10, 2)
    assert torch.allclose(y.square().sum(), 4 * x.square().sum())
    flat = double_haar(torch.tensor([1.0, 0, 0, 0]).view(1, 1, 1, 4))
    assert torch.allclose(flat, torch.ones(1, 2, 2, 1))


def test_the_product_is_the_same_by_any_library(monkeypatch):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 5, 8), torch.randn(4, 8), torch.randn(4)
    expected = F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)
    assert torch.allclose(products.pointwise(x, weight, bias), expected, atol=1e-5)
    monkeypatch.setattr(products, "_onednn", lambda: None)
    assert torch.allclose(products.pointwise(x, weight, bias), expected, atol=1e-5)
    slow = products.pointwise(x.double(), weight.double(), bias.double())
    assert torch.allclose(slow, expected.double(), atol=1e-5)


def test_a_torch_without_the_onednn_operator_is_supported(monkeypatch):
    def missing(*_):
        raise RuntimeError("not built with oneDNN")

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", missing)
    assert products._onednn.__wrapped__() is None
