"""The BigGANs against the results of Hugging Face's and Andrew Brock's code."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from backend_checks import (
    CPU,
    FEATURES,
    IMAGES,
    checkpoint,
    edited,
    error,
    facts,
    full_size,
    golden,
    meta_checkpoint,
)
from torch.nn import functional as F

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError, PandaWarning
from panda.generators.contract import Latents
from panda_plugins.biggan import brock, huggingface
from panda_plugins.biggan.backend import BrockBigGAN, HuggingFaceBigGAN, truncated_normal
from panda_plugins.biggan.brock import StoredStatistics
from panda_plugins.biggan.checkpoint import brock_config, build, from_checkpoint, recognizes

DEEP, BROCK, BROCK_DEEP = "biggan-deep-hf", "biggan-ajbrock", "biggan-deep-ajbrock"


@pytest.fixture(scope="module")
def deep() -> HuggingFaceBigGAN:
    return from_checkpoint(checkpoint(DEEP, facts(DEEP)["config"]), CPU, torch.float32)


@pytest.fixture(scope="module")
def original() -> BrockBigGAN:
    return from_checkpoint(checkpoint(BROCK), CPU, torch.float32)


@pytest.fixture(scope="module")
def brock_deep() -> BrockBigGAN:
    return from_checkpoint(checkpoint(BROCK_DEEP), CPU, torch.float32)


def deep_latents(truncation: float = 0.405, count: int = 2) -> Latents:
    io = golden(DEEP)
    tensors = {"z": io["z"] * truncation, "label": io["label"]}
    tensors["truncation"] = torch.full((2,), truncation, dtype=torch.float64)
    return Latents((0, 1), tensors)[:count]


def brock_latents() -> Latents:
    io = golden(BROCK)
    return Latents((0, 1), {"z": io["z"], "label": F.one_hot(io["label_index"], 6).float()})


def brock_deep_latents() -> Latents:
    io = golden(BROCK_DEEP)
    return Latents((0,), {"z": io["z"], "label": F.one_hot(io["label_index"], 6).float()})


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


@pytest.mark.filterwarnings("ignore:truncation .* is not from 0 to 1")
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


def random_tensors(config: brock.Config) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(value.shape, generator=draw) + 0.5
        if name.endswith("stored_var")
        else torch.randn(value.shape, generator=draw) * 0.5
        for name, value in brock.BigGAN(config).state_dict().items()
    }


def test_brock_deep_features_images_and_edits(brock_deep):
    io, layers = golden(BROCK_DEEP), list(brock_deep.layers)
    assert brock_deep.size == (64, 64)
    assert error(brock_deep.forward(brock_deep_latents()), io["image"]) <= IMAGES
    for index in range(1, 10):
        features = brock_deep.head(brock_deep_latents(), layers[index]).x
        assert error(features, io[f"feat.{index}"]) <= FEATURES
    image = edited(brock_deep, brock_deep_latents(), layers[4], io, "edit.4")
    assert error(image, io["edit.4.image"]) <= IMAGES


def test_layers_of_brock_deep_are_named_by_resolution(brock_deep):
    assert list(brock_deep.layers) == [
        "input",
        "4.block1",
        "8.block1",
        "8.block2",
        "16.block1",
        "16.block2",
        "32.block1",
        "32.attention",
        "32.block2",
        "64.block1",
    ]


@pytest.mark.parametrize("folder", ["biggan-ajbrock", "biggan-deep-ajbrock"])
def test_brock_files_warn_of_what_they_do_not_record(folder):
    depth = ", G_depth=2" if "deep" in folder else ""
    options = f'BN_eps=1e-05, G_nl="relu", norm_style="bn"{depth} is assumed'
    with pytest.warns(PandaWarning, match=options):
        from_checkpoint(checkpoint(folder), CPU, torch.float32)


def test_options_that_the_user_has_set_are_not_assumed():
    options = {"BN_eps": 1e-2, "G_nl": "inplace_relu", "norm_style": "bn"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = from_checkpoint(replace(checkpoint(BROCK), options=options), CPU, torch.float32)
    epsilons = [m.eps for m in generator.network.modules() if isinstance(m, StoredStatistics)]
    assert epsilons == [1e-2] * 8 + [1e-5], "the last batch norm of the original has no option"


def test_hugging_face_tensors_without_config_warn():
    with pytest.warns(
        PandaWarning, match=r"eps=0\.0001, layers=\[\[false\], \[true\], .* is assum"
    ):
        from_checkpoint(checkpoint(DEEP), CPU, torch.float32)


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("hierarchical", [True, False])
def test_brock_sizes_are_inferred_from_shapes(depth, hierarchical):
    config = brock.Config(
        z_dim=12, shared_dim=6, classes=4, stages=((16, 16), (16, 8)), depth=depth,
        attention=frozenset({0}), hierarchical=hierarchical or depth > 0,
    )  # fmt: skip
    assert brock_config(Checkpoint("x", random_tensors(config))) == config


def test_brock_deep_of_another_depth_is_refused_or_set():
    config = brock.Config(
        z_dim=12, shared_dim=6, classes=4, stages=((16, 16), (16, 8)), depth=3,
        attention=frozenset({0}),
    )  # fmt: skip
    tensors = random_tensors(config)
    sentence = r"of 6 blocks, of which \[2, 5\] change .* G_depth=2 blocks, of which only the last"
    with pytest.raises(PandaError, match=sentence):
        brock_config(Checkpoint("x", tensors))
    assert brock_config(Checkpoint("x", tensors, options={"G_depth": 3})) == config


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
        (
            DEEP,
            {},
            {"layers": [[True, 1, 1]]},
            "'layers' has 1 entries, but the tensors are those of 8",
        ),
        (DEEP, {}, {"layers": "many"}, "layers='many', expected"),
        (DEEP, {}, {"output_dim": 256}, "output_dim=256, but its layers make 64"),
        (DEEP, {}, {"eps": None}, "eps=None, expected a small number"),
        (BROCK, {"shared.weight": None}, {}, r"no tensor 'shared\.weight'"),
        (BROCK, {"blocks.2.1.gamma": None}, {}, r"1 missing \(blocks\.2\.1\.gamma\)"),
        (BROCK, {"blocks.1.0.conv1.weight": None}, {}, r"no tensor 'blocks\.1\.0\.conv1"),
        (BROCK, {}, {"G_nl": "leaky_relu"}, "G_nl='leaky_relu', expected \"relu\" or"),
        (BROCK, {}, {"norm_style": "in"}, "norm_style='in', expected \"bn\""),
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
