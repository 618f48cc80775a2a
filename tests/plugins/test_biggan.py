"""The BigGANs against the results of Hugging Face's and Andrew Brock's code."""

from __future__ import annotations

import numpy as np
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
from torch.nn import functional as F

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.generators.contract import Latents
from panda_plugins.biggan import brock, huggingface
from panda_plugins.biggan.backend import BrockBigGAN, HuggingFaceBigGAN, truncated_normal
from panda_plugins.biggan.checkpoint import brock_config, build, from_checkpoint, recognizes

DEEP, BROCK = "biggan-deep-hf", "biggan-ajbrock"


@pytest.fixture(scope="module")
def deep() -> HuggingFaceBigGAN:
    return from_checkpoint(checkpoint(DEEP, facts(DEEP)["config"]), CPU, torch.float32)


@pytest.fixture(scope="module")
def original() -> BrockBigGAN:
    return from_checkpoint(checkpoint(BROCK), CPU, torch.float32)


def deep_latents(truncation: float = 0.405, count: int = 2) -> Latents:
    io = golden(DEEP)
    tensors = {"z": io["z"] * truncation, "label": io["label"]}
    tensors["truncation"] = torch.full((2,), truncation, dtype=torch.float64)
    return Latents((0, 1), tensors)[:count]


def brock_latents() -> Latents:
    io = golden(BROCK)
    return Latents((0, 1), {"z": io["z"], "label": F.one_hot(io["label_index"], 6).float()})


def test_hugging_face_features_and_edits(deep):
    io, layers = golden(DEEP), list(deep.layers)
    assert error(deep.condition(deep_latents()).vector, io["cond_vector"]) <= 1e-6
    for name, expected in io.items():
        kind, _, index = name.partition(".")
        if kind == "feat":
            features = deep.head(deep_latents()[:1], layers[int(index)]).x
            assert error(features, expected) <= FEATURES
    for index in (3, 4, 5):  # before and after self-attention
        image = edited(deep, deep_latents(), layers[index], io, f"edit.{index}")
        assert error(image, io[f"edit.{index}.image"]) <= IMAGES


TRUNCATIONS = facts(DEEP)["truncations"]


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_hugging_face_images_at_every_truncation(deep, truncation):
    expected = golden(DEEP)[f"image_t{truncation}"]
    image = deep.forward(deep_latents(truncation, len(expected)))
    assert error(image, expected) <= IMAGES


def test_a_batch_may_mix_truncations(deep):
    low, high = deep_latents(0.4), deep_latents(0.58)
    mixed = {name: torch.cat([low.tensors[name], high.tensors[name]]) for name in low.tensors}
    images = deep.forward(Latents((0, 1, 0, 1), mixed))
    assert error(images[:1], golden(DEEP)["image_t0.4"]) <= IMAGES
    assert error(images[2:3], golden(DEEP)["image_t0.58"]) <= IMAGES


def test_rows_of_the_statistics_are_the_released_ones():
    for lookup in facts(DEEP)["stat_lookup"]:
        (row,), (share,) = huggingface.rows_of([lookup["truncation"]], 51)
        assert row == lookup["start_idx"]
        assert share == (lookup["coef"] or 1)


def test_corrected_statistics_interpolate_as_intended(deep, monkeypatch):
    rows, shares = huggingface.rows_of([0.14, 0.405, 0.4], 51, corrected=True)
    assert np.allclose(np.add(rows, np.subtract(1, shares)), [7, 20.25, 20])
    released = deep.forward(deep_latents(0.58))
    monkeypatch.setattr(deep, "corrected", True)
    assert error(deep.forward(deep_latents(0.58)), released) > 1e-3


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.01])
def test_a_truncation_without_statistics_is_refused(deep, truncation):
    with pytest.raises(PandaError, match="above 0 and up to 1, but"):
        deep.sample([0], truncation=truncation)


def test_z_is_the_truncated_normal_of_scipy(deep):
    from scipy.stats import truncnorm

    for seed in (0, 12):
        state = np.random.RandomState(seed)
        expected = truncnorm.rvs(-2, 2, size=(1, 16), random_state=state).astype(np.float32)
        assert np.allclose(truncated_normal([3, seed], 16)[1], expected[0], atol=1e-6)
        z = deep.sample([3, seed], truncation=0.5).tensors["z"]
        assert error(z[1], torch.from_numpy(expected[0] * 0.5)) <= 1e-6


def test_brock_features_images_and_edits(original):
    io, layers = golden(BROCK), list(original.layers)
    assert error(original.forward(brock_latents()), io["image"]) <= IMAGES
    for index in range(1, 6):
        features = original.head(brock_latents()[:1], layers[index]).x
        assert error(features, io[f"feat.{index}"]) <= FEATURES
    image = edited(original, brock_latents(), layers[2], io, "edit.2")
    assert error(image, io["edit.2.image"]) <= IMAGES


def test_gradients_reach_z_too(deep, original):
    for generator, latents in ((deep, deep_latents()), (original, brock_latents())):
        z = latents.tensors["z"].clone().requires_grad_()
        image = generator.forward(Latents(latents.seeds, {**latents.tensors, "z": z}))
        (gradient,) = torch.autograd.grad(image.square().sum(), z)
        assert gradient.isfinite().all()
        # With a graph recorded, a library may take other kernels.
        assert error(image.detach(), generator.forward(latents)) <= IMAGES


def test_classes_are_drawn_by_the_seed_or_given(deep, original):
    for generator in (deep, original):
        assert generator.sample([1, 2], label=3).tensors["label"].argmax(1).tolist() == [3, 3]
        drawn = generator.sample(range(40)).tensors["label"]
        assert len(drawn.argmax(1).unique()) > 3
        with pytest.raises(PandaError, match=r"has classes 0 to \d+, but -1 was given"):
            generator.sample([0], label=-1)


def test_layers_are_named_by_resolution(deep):
    assert list(deep.layers) == [
        "input",
        "4.block1",
        "8.block1",
        "8.block2",
        "16.block1",
        "16.attention",
        "16.block2",
        "32.block1",
        "32.block2",
        "64.block1",
    ]


def test_wide_layers_convolve_as_narrow_ones():
    """With many channels a CPU runs another algorithm."""
    conv = huggingface.StoredSpectral(192, 192, 3, 3).requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    for tensor in (*conv.parameters(), *conv.buffers()):
        tensor.normal_(generator=draw)
    conv.prepare()
    assert conv.winograd is not None
    x = torch.randn(2, 192, 8, 8, generator=draw)
    fast, conv.winograd = conv(x), None
    assert error(fast, conv(x)) <= FEATURES


@pytest.mark.parametrize("resolution", [128, 256, 512])
@pytest.mark.parametrize("config", [True, False])
def test_official_names_and_shapes_are_ours(resolution, config):
    name = f"biggan-deep-{resolution}"
    data, official = full_size(name), meta_checkpoint(name)
    network = build(official if config else Checkpoint(name, official.tensors))
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == data["tensors"]
    features = [[layer.channels, layer.height, layer.width] for layer in network.layers]
    assert features == [row[:3] for row in data["features"].values()]
    kinds = ["attention" in layer.name for layer in network.layers[1:]]
    assert kinds == [row[3] == "SelfAttn" for row in list(data["features"].values())[1:]]


def power_step(tensors, name):
    """Andrew Brock's spectral norm in eval mode."""
    weight = tensors[f"{name}.weight"]
    rows = weight.flatten(1)
    v = F.normalize(tensors[f"{name}.u0"] @ rows)
    u = F.normalize(v @ rows.T)
    return weight / (v @ rows.T @ u.T)


def normalized(t, name, x, y):
    gain, bias = (F.linear(y, power_step(t, f"{name}.{kind}")) for kind in ("gain", "bias"))
    mean, var = (t[f"{name}.stored_{kind}"][:, None, None] for kind in ("mean", "var"))
    x = (x - mean) / (var + 1e-5).sqrt()
    return F.relu(x * (1 + gain[:, :, None, None]) + bias[:, :, None, None])


def plain_deep(t, z, label, depth, stages, attention):
    """BigGAN-deep op by op, from the paper's appendix B and Andrew Brock's README."""
    y = torch.cat([label @ t["shared.weight"], z], 1)
    x = F.linear(y, power_step(t, "linear"), t["linear.bias"]).view(len(z), -1, 4, 4)
    for i in range(stages):
        for j in range(depth):
            name, up = f"blocks.{i}.{j}", j == depth - 1
            h = normalized(t, f"{name}.bn1", x, y)
            h = F.conv2d(h, power_step(t, f"{name}.conv1"), t[f"{name}.conv1.bias"])
            h = normalized(t, f"{name}.bn2", h, y)
            x = x[:, : len(t[f"{name}.conv4.bias"])]
            if up:
                h, x = F.interpolate(h, scale_factor=2), F.interpolate(x, scale_factor=2)
            h = F.conv2d(h, power_step(t, f"{name}.conv2"), t[f"{name}.conv2.bias"], padding=1)
            h = normalized(t, f"{name}.bn3", h, y)
            h = F.conv2d(h, power_step(t, f"{name}.conv3"), t[f"{name}.conv3.bias"], padding=1)
            h = normalized(t, f"{name}.bn4", h, y)
            x = x + F.conv2d(h, power_step(t, f"{name}.conv4"), t[f"{name}.conv4.bias"])
        if i == attention:
            name = f"blocks.{i}.{depth}"
            parts = [F.conv2d(x, power_step(t, f"{name}.{p}")) for p in ("theta", "phi", "g")]
            phi, g = (F.max_pool2d(part, 2).flatten(2) for part in parts[1:])
            beta = (parts[0].flatten(2).transpose(1, 2) @ phi).softmax(-1)
            o = (g @ beta.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
            x = x + t[f"{name}.gamma"] * F.conv2d(o, power_step(t, f"{name}.o"))
    mean, var = t["output_layer.0.stored_mean"], t["output_layer.0.stored_var"]
    scale = t["output_layer.0.gain"] / (var + 1e-5).sqrt()
    x = (x - mean[:, None, None]) * scale[:, None, None] + t["output_layer.0.bias"][:, None, None]
    weight = power_step(t, "output_layer.2")
    return F.conv2d(F.relu(x), weight, t["output_layer.2.bias"], padding=1).tanh()


def random_tensors(config: brock.Config) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(value.shape, generator=draw) + 0.5
        if name.endswith("stored_var")
        else torch.randn(value.shape, generator=draw) * 0.5
        for name, value in brock.BigGAN(config).state_dict().items()
    }


def test_brock_deep_equals_its_definition_op_by_op():
    config = brock.Config(
        z_dim=10, shared_dim=6, classes=4, stages=((32, 16), (16, 16), (16, 8)), depth=2,
        attention=frozenset({1}),
    )  # fmt: skip
    tensors = random_tensors(config)
    assert brock_config(tensors) == config
    assert recognizes(Checkpoint("x", tensors))
    generator = from_checkpoint(Checkpoint("x", tensors), CPU, torch.float32)
    latents = generator.sample([5, 6, 7], label=2)
    expected = plain_deep(tensors, latents.tensors["z"], latents.tensors["label"], 2, 3, 1)
    assert error(generator.forward(latents), expected) <= IMAGES
    blocks = ["4.block1", "8.block1", "8.block2", "16.block1", "16.attention", "16.block2"]
    assert list(generator.layers) == ["input", *blocks, "32.block1"]
    conform(lambda *place: from_checkpoint(Checkpoint("x", tensors), *place))


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("hierarchical", [True, False])
def test_brock_sizes_are_inferred_from_shapes(depth, hierarchical):
    config = brock.Config(
        z_dim=12, shared_dim=6, classes=4, stages=((16, 16), (16, 8)), depth=depth,
        attention=frozenset({0}), hierarchical=hierarchical,
    )  # fmt: skip
    assert brock_config(random_tensors(config)) == config


@pytest.mark.parametrize(
    ("folder", "changes", "config", "sentence"),
    [
        (
            DEEP,
            {"generator.layers.3.bn_2.offset.weight_u": None},
            {},
            r"1 missing \(generator\.lay",
        ),
        (DEEP, {"generator.layers.4.gamma": None}, {}, r"self-attention \[\], expected"),
        (
            DEEP,
            {"generator.layers.0.conv_0.weight_orig": None},
            {},
            r"no tensor 'generator\.layers",
        ),
        (DEEP, {"extra": torch.zeros(1)}, {}, r"1 not part of it \(extra\)"),
        (DEEP, {"generator.bn.bias": torch.full((4,), torch.inf)}, {}, "1 not finite floating"),
        (DEEP, {}, {"layers": [[True, 1, 1]]}, "lists 1 layers, but the tensors are those of 8"),
        (DEEP, {}, {"layers": "many"}, "layers = 'many', expected"),
        (DEEP, {}, {"output_dim": 256}, "output_dim = 256, but its layers make 64"),
        (DEEP, {}, {"eps": None}, "eps = None, expected a small number"),
        (BROCK, {"shared.weight": None}, {}, r"no tensor 'shared\.weight'"),
        (BROCK, {"blocks.2.1.gamma": None}, {}, "expected stages from 0 on"),
        (BROCK, {"linear.bias": torch.zeros(3)}, {}, r"linear\.bias \[3\] instead of \[1024\]"),
    ],
)
def test_a_bad_file_is_one_sentence(folder, changes, config, sentence):
    with pytest.raises(PandaError, match=sentence):
        from_checkpoint(checkpoint(folder, config, **changes), CPU, torch.float32)


def test_files_are_recognized_by_their_names():
    assert recognizes(checkpoint(DEEP))
    assert recognizes(checkpoint(BROCK))
    assert not recognizes(Checkpoint("x", {"embeddings.weight": torch.zeros(2, 2)}))


def test_double_precision_agrees():
    for folder, latents in ((DEEP, deep_latents()), (BROCK, brock_latents())):
        double = from_checkpoint(checkpoint(folder), CPU, torch.float64)
        tensors = {name: tensor.double() for name, tensor in latents.tensors.items()}
        image = double.forward(Latents(latents.seeds, tensors))
        expected = golden(folder)["image_t0.405" if folder == DEEP else "image"]
        assert image.dtype == torch.float64
        assert error(image, expected) <= IMAGES


def test_an_invalid_seed_is_refused():
    with pytest.raises(PandaError, match="seed -1 is not a whole number from 0"):
        truncated_normal([3, -1], 16)
