"""StyleGAN2 run by NVIDIA's modules, where they are checked out, against our implementation."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from backend_checks import (
    CPU,
    FEATURES,
    IMAGES,
    checkpoint,
    edited,
    error,
    golden,
)
from conftest import GOLDENS

from panda import Latents, PandaError, create_generator
from panda.errors import PandaWarning
from panda.generators import registry
from panda.generators.card import Card
from panda_plugins.stylegan2 import ARCHITECTURE, checkout
from panda_plugins.stylegan2.backend import SKIP, StyleGAN2
from panda_plugins.stylegan2.network import FILTER, Config, Network
from panda_plugins.stylegan2.vendored import VendoredStyleGAN2, from_checkpoint

ADA = GOLDENS / "stylegan2-ada" / "network.pkl"
FILES = (
    "stylegan2-ada/network.pkl",
    "stylegan2-ada-cond/network.pkl",
    "stylegan2-sg3repo/network.pkl",
    "stylegan2-tf/network.pkl",
    "stylegan2-genforce/checkpoint.pth",
    "stylegan2-rosinality/checkpoint.pt",
)


@pytest.fixture
def repository():
    """The checkout; its tests are skipped where it is absent."""
    try:
        return checkout.find_checkout()
    except PandaError:
        pytest.skip(f"stylegan2-ada-pytorch is absent; get it by '{checkout.COMMAND}'")


def both(file):
    return (create_generator(str(GOLDENS / file), engine=engine) for engine in ("own", "vendored"))


def agree(ours, theirs, latents):
    assert error(ours.forward(latents), theirs.forward(latents)) <= IMAGES
    for name in ours.layers:
        mine, state = ours.head(latents, name), theirs.head(latents, name)
        assert error(mine.x, state.x) <= FEATURES, name
        assert error(ours.tail(state, name), theirs.tail(mine, name)) <= IMAGES, name


def resumes_exactly(generator, latents):
    image = generator.forward(latents)
    for name, layer in generator.layers.items():
        state = generator.head(latents, name)
        assert state.x.shape == (len(latents), layer.channels, layer.height, layer.width)
        before = state.x.clone()
        assert torch.equal(generator.tail(state, name), image), f"resume at {name}"
        assert torch.equal(state.x, before), f"{name} was changed in place"


@pytest.mark.parametrize("file", FILES)
def test_both_engines_agree_in_features_and_images(repository, file):
    ours, theirs = both(file)
    assert isinstance(theirs, VendoredStyleGAN2)
    latents = ours.sample([3, 4, 5], truncation=0.7)
    assert error(latents.tensors["w"], theirs.sample([3, 4, 5], truncation=0.7).tensors["w"]) < 1e-6
    agree(ours, theirs, latents)


@pytest.mark.parametrize("noise", ["random", "none"])
def test_both_engines_agree_in_every_noise(repository, noise):
    ours, theirs = both("stylegan2-ada/network.pkl")
    ours.noise = theirs.noise = noise
    agree(ours, theirs, ours.sample([3, 4, 5], truncation=1.0))


@pytest.mark.parametrize("skip", SKIP)
def test_both_engines_agree_in_what_becomes_of_the_skip_image(repository, skip):
    ours, theirs = both("stylegan2-ada/network.pkl")
    ours.skip = theirs.skip = skip
    latents = ours.sample([3, 4], truncation=1.0)
    for name in list(ours.layers)[:-1]:
        images = []
        for generator in (ours, theirs):
            state = generator.head(latents, name)
            images.append(generator.tail(state.with_features(state.x * 1.1), name))
        assert error(*images) <= IMAGES, name


@pytest.mark.parametrize(
    ("architecture", "colors"), [("skip", 3), ("resnet", 3), ("orig", 3), ("skip", 1), ("orig", 4)]
)
def test_both_engines_agree_in_every_architecture(repository, architecture, colors):
    torch.manual_seed(0)
    config = Config(
        (24, 12, 6), 16, 16, 2, architecture=architecture, conv_clamp=1.0, image_channels=colors
    )
    network = Network(config)
    for name, tensor in network.state_dict().items():
        tensor.copy_(FILTER if name.endswith("resample_filter") else torch.randn(tensor.shape))
    ours, theirs = (
        StyleGAN2(network, CPU, torch.float32),
        VendoredStyleGAN2(network, CPU, repository),
    )
    agree(ours, theirs, ours.sample([0, 1], truncation=1.0))
    resumes_exactly(theirs, theirs.sample([0, 1]))


@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_resuming_is_exact_and_samples_do_not_depend_on_their_batch(repository, noise):
    theirs = create_generator(str(ADA), engine="vendored")
    theirs.noise = noise
    resumes_exactly(theirs, theirs.sample([3, 4]))
    assert (
        error(theirs.forward(theirs.sample([3, 4]))[1:], theirs.forward(theirs.sample([4]))) < 1e-5
    )


def test_gradients_reach_every_layer_and_no_parameter_requires_them(repository):
    theirs = create_generator(str(ADA), engine="vendored")
    assert not any(parameter.requires_grad for parameter in theirs.nvidia.parameters())
    for name in theirs.layers:
        state = theirs.head(theirs.sample([3]), name)
        x = state.x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(theirs.tail(state.with_features(x), name).sum(), x)
        assert gradient.isfinite().all() and gradient.abs().sum() > 0


def test_images_and_edits_match_the_goldens(repository):
    theirs = from_checkpoint(checkpoint("stylegan2-ada"), CPU, torch.float32)
    io = golden("stylegan2-ada")
    latents = Latents((0, 1), {"w": theirs.truncate(theirs.map(io["z"]), float(io["psi"]))})
    assert error(theirs.forward(latents), io["image"]) <= IMAGES
    for count, name in enumerate(theirs.layers, 1):
        if f"edit.{count}.image_hook" in io:
            image = edited(theirs, latents, name, io, f"edit.{count}")
            assert error(image, io[f"edit.{count}.image_hook"]) <= IMAGES


def test_nothing_is_left_behind(repository):
    state, path, modules = torch.random.get_rng_state(), list(sys.path), dict(sys.modules)
    users = sys.modules["training"] = type(sys)("training")  # a module of the user's
    try:
        create_generator(str(ADA), engine="vendored")
        assert sys.modules["training"] is users
    finally:
        del sys.modules["training"]
    assert sys.path == path
    added = {name.partition(".")[0] for name in sys.modules.keys() - modules.keys()}
    assert not added & set(checkout.ROOTS)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_kernels_are_built_once_and_their_absence_is_a_warning(repository, monkeypatch):
    create_generator(str(ADA), engine="vendored")
    modules = [repository.modules[f"torch_utils.ops.{op}"] for op in ("bias_act", "upfirdn2d")]
    for module in modules:
        monkeypatch.setattr(module, "_inited", False)
        monkeypatch.setattr(module, "_plugin", None)
    built = []

    def load(name, sources, **options):
        built.append((name, [source.rpartition("/")[2] for source in sources]))
        if name == "bias_act_plugin":
            raise RuntimeError("no nvcc\nand a long tale")
        return name

    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    with pytest.warns(PandaWarning, match=r"'bias_act' cannot be built \(no nvcc\); its ref"):
        repository.build_kernels()
    repository.build_kernels()
    assert built == [
        ("bias_act_plugin", ["bias_act.cpp", "bias_act.cu"]),
        ("upfirdn2d_plugin", ["upfirdn2d.cpp", "upfirdn2d.cu"]),
    ]
    assert [module._plugin for module in modules] == [None, "upfirdn2d_plugin"]
    assert not modules[0]._init()


def test_what_it_cannot_do_is_one_sentence(repository):
    with pytest.raises(PandaError, match=r"float32 alone, not in torch\.float64; 'own' does"):
        create_generator(str(ADA), engine="vendored", dtype="float64")
    for options, sentence in (
        ({"classes": 3, "joint_norm": True}, "no conditional StyleGAN2 of the TensorFlow release"),
        ({}, r"cannot have channels \[8, 2, 7\]"),
        ({"const": (3, 5)}, "grows images from 4 x 4 alone, but this StyleGAN2 from 3 x 5; 'own'"),
    ):
        network = Network(Config((8, 2, 7), 8, 8, 1, **options))
        with pytest.raises(PandaError, match=sentence):
            VendoredStyleGAN2(network, CPU, repository)


def test_a_card_opens_its_weights_with_another_engine(repository, monkeypatch):
    weights = SimpleNamespace(architecture=ARCHITECTURE, fetch=lambda: None, path=ADA)
    card = Card("StyleGAN2", "none", 32, "none", "here", lambda *_: None, weights)
    monkeypatch.setattr(registry, "cards", lambda: {"toy": card})
    theirs = create_generator("toy", engine="vendored")
    assert isinstance(theirs, VendoredStyleGAN2)
    assert theirs.name == "toy"


def test_without_the_checkout_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(checkout.VARIABLE, str(tmp_path))
    with pytest.raises(PandaError, match=r"git submodule update --init third_party/stylegan2-ada"):
        create_generator(str(ADA), engine="vendored")


@pytest.mark.parametrize(
    ("file", "engine", "sentence"),
    [
        ("stylegan2-ada/network.pkl", "vendord", "no engine 'vendord' .*; did you mean 'vendored'"),
        ("stylegan3-t/network.pkl", "vendored", "no engine 'vendored' .*; valid: own"),
    ],
)
def test_an_unknown_engine_names_the_nearest(file, engine, sentence):
    with pytest.raises(PandaError, match=sentence):
        create_generator(str(GOLDENS / file), engine=engine)


def test_a_card_without_that_engine_says_so_before_it_fetches(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    with pytest.raises(PandaError, match="no engine 'vendored' .*; valid: own"):
        create_generator("mobilestylegan-ffhq-1024", engine="vendored")
    assert not list(tmp_path.iterdir())


def test_the_pin_is_the_same_everywhere():
    root = Path(__file__).parents[2]
    readme = (root / "third_party" / "README.md").read_text()
    assert checkout.COMMAND in readme and checkout.VARIABLE in readme
    assert "path = third_party/stylegan2-ada-pytorch" in (root / ".gitmodules").read_text()
