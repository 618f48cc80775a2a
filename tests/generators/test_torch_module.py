"""Any module is a generator: stopped and resumed by hooks, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from panda import Latents, PandaError, State
from panda.factorization.fit import fit
from panda.generators.seeds import seeded_normal
from panda.generators.torch_module import TorchModule
from panda.testing import parametrize_with_checks


def seeded(module):
    """The module with reproducible weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
    return module


class Chain(nn.Sequential):
    """A DCGAN: a chain, with ReLUs that write into the features before them."""

    def __init__(self):
        super().__init__(
            nn.ConvTranspose2d(6, 12, 4),
            nn.BatchNorm2d(12),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(12, 8, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(8, 3, 4, 2, 1),
            nn.Tanh(),
        )


class Web(nn.Module):
    """Everything a chain is not: styles, a skip image, a residual, an untidy forward, a dict."""

    def __init__(self):
        super().__init__()
        self.style = nn.Linear(6, 8)
        self.constant = nn.Parameter(torch.empty(1, 8, 4, 4))
        self.convs = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))
        self.colors = nn.ModuleList(nn.Conv2d(8, 3, 1) for _ in range(3))
        nn.utils.parametrizations.weight_norm(self.convs[1])

    def forward(self, z):
        z.mul_(torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))
        style = self.style(z)[:, :, None, None]
        x, image = self.constant.expand(len(z), -1, -1, -1), 0
        for conv, color in zip(self.convs, self.colors, strict=True):
            try:
                x = conv(x * style)
            except Exception:
                x = x * style
            x += style
            x = F.leaky_relu(x, 0.2) + x
            image = image + color(x)
            x, image = F.interpolate(x, scale_factor=2), F.interpolate(image, scale_factor=2)
        return {"image": image.sigmoid(), "style": style}


def chain(device="cpu", dtype=torch.float32):
    layers = ["4", "2", "1"]
    return TorchModule(seeded(Chain()), layers, latent=(6, 1, 1), device=device, dtype=dtype)


def web(device="cpu", dtype=torch.float32):
    generator = TorchModule(
        seeded(Web()),
        ["convs.0", "convs.1", "convs.2"],
        latent=(6,),
        images=lambda out: out["image"] * 2 - 1,
        device=device,
        dtype=dtype,
    )
    generator.excused = {"truncation": "the module takes z to unit length, whatever its scale"}
    return generator


class Classes(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.chain = nn.Linear(3, 6), Chain()

    def forward(self, z, label):
        return self.chain(z + self.embed(label)[:, :, None, None])


class Conditional(TorchModule):
    """A module with another input: it overrides sample."""

    def sample(self, seeds, *, truncation=1.0, label=None):
        if label is not None and label not in range(3):
            raise PandaError(f"{self.name} has labels 0 to 2, but {label} was given")
        z = truncation * torch.from_numpy(seeded_normal(seeds, 6, 1, 1))
        chosen = torch.tensor([seed % 3 if label is None else label for seed in seeds])
        tensors = {"z": z, "label": F.one_hot(chosen, 3)}
        return Latents(tuple(seeds), {k: t.to(self.device, self.dtype) for k, t in tensors.items()})


def conditional(device="cpu", dtype=torch.float32):
    return Conditional(seeded(Classes()), ["chain.2"], device=device, dtype=dtype)


def uniform(device="cpu", dtype=torch.float32):
    def draw(seeds):
        rows = [torch.rand(6, 1, 1, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(rows)

    return TorchModule(seeded(Chain()), ["2"], draw=draw, device=device, dtype=dtype)


@parametrize_with_checks([chain, web, conditional, uniform])
def test_modules_of_every_kind_keep_the_contract(check):
    check()


def test_features_are_what_the_module_computes_and_layers_are_found_by_one_run():
    generator = chain()
    assert [(layer.name, layer.channels, layer.height) for layer in generator.layers.values()] == [
        ("1", 12, 4),
        ("2", 12, 4),
        ("4", 8, 8),
    ]
    assert generator.size == (16, 16)
    z = generator.sample([5, 6])
    upper, lower = (
        nn.Sequential(*list(generator.module)[part]) for part in (slice(3), slice(3, 7))
    )
    x = upper(z.tensors["z"])
    assert torch.equal(generator.head(z, "2").x, x)
    edited = generator.tail(generator.head(z, "2").with_features(x + 1), "2")
    assert torch.equal(edited, lower(x + 1))


def test_what_is_painted_before_the_layer_stays():
    generator = web()
    z = generator.sample([5])
    state = generator.head(z, "convs.2")
    nothing = generator.tail(state.with_features(torch.zeros_like(state.x)), "convs.2")
    one_color = nothing.flatten(2).amax(2) - nothing.flatten(2).amin(2)
    assert (one_color > 1e-2).all()  # the skip image of the layers before


def test_edits_at_several_layers_add_up():
    generator = chain()
    z, steps = generator.sample([5, 6]), list(generator.module)
    state = generator.head(z, "2")
    state = generator.advance(state.with_features(state.x + 1), "2", "4")
    image = generator.tail(state.with_features(state.x - 1), "4")
    upper, middle, lower = (
        nn.Sequential(*steps[part]) for part in (slice(3), slice(3, 5), slice(5, 7))
    )
    assert torch.equal(image, lower(middle(upper(z.tensors["z"]) + 1) - 1))


def test_an_edit_reaches_what_bypasses_a_later_layer():
    generator = web()
    z = generator.sample([5])
    state = generator.head(z, "convs.0")
    edited = state.with_features(state.x + 1)
    reached = generator.advance(edited, "convs.0", "convs.2")
    assert torch.equal(generator.tail(reached, "convs.2"), generator.tail(edited, "convs.0"))


def test_factors_are_fitted_to_a_module():
    factors = fit(chain(), "4", parts=3, seeds=range(40))
    assert factors.generator == "Chain"
    assert factors.parts.shape == (64, 3)


def test_hooks_go_whatever_happens():
    generator = chain()
    z = generator.sample([1])
    state = generator.head(z, "2").with_features(torch.zeros(2, 12, 4, 4))
    with pytest.raises(PandaError, match=r"features \(2, 12, 4, 4\) at 2, expected \(1, 12, 4"):
        generator.tail(state, "2")
    bad = Latents((1,), {"z": torch.zeros(1, 7, 1, 1)})
    with pytest.raises(PandaError, match=r"Chain does not run on latents \[\[1, 7, 1, 1\]\]"):
        generator.head(bad, "2")
    with pytest.raises(PandaError, match="does not run on latents"):
        generator(bad)
    with pytest.raises(
        PandaError, match=r"resumes states that its head returned, but State\(x \[1, 12"
    ):
        generator.tail(State(torch.zeros(1, 12, 4, 4)), "2")
    assert not any(module._forward_hooks for module in generator.module.modules())


class Noisy(Chain):
    def forward(self, z):
        x = super().forward(z)
        return x + 0.1 * torch.randn_like(x)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.conv, self.unused = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 3, 1), nn.ReLU()
        self.flat = nn.Flatten()
        self.pair = Pair()

    def forward(self, z):
        x = self.first(self.pair(z)[0].expand(-1, -1, 4, 4))
        self.flat(x)
        return self.conv(self.conv(x))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 3, 1)

    def forward(self, z):
        return self.conv(z)


class Ouroboros(Chain):
    def __init__(self):
        super().__init__()
        self.self = self


class Failing(Chain):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, z):
        raise self.error


class Shared(nn.Module):
    """One module under two names."""

    def __init__(self):
        super().__init__()
        self.chain = Chain()
        self.relu = self.chain[2]

    def forward(self, z):
        return self.chain(z)


def test_one_module_may_have_two_names():
    generator = TorchModule(seeded(Shared()), ["chain.2", "relu"], latent=(6, 1, 1))
    z = generator.sample([1])
    a, b = (generator.head(z, name).x for name in generator.layers)
    assert list(generator.layers) == ["chain.2", "relu"]
    assert torch.equal(a, b)


def test_what_is_refused_before_the_run_leaves_the_module_as_it_is():
    module = Chain()
    with pytest.raises(PandaError, match="has no module '9'"):
        TorchModule(module, ["9"], latent=(6, 1, 1))
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a"])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(PandaError, match=rf"seed {seed!r} is not a whole number from 0 to 2\*\*32"):
        chain().sample([0, seed])


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.parametrize(
    ("module", "layers", "sentence"),
    [
        (Chain, ["7"], r"Chain has no module '7'; "),
        (Chain, [7], r"layers are a list of names, .*, but \[7\] was given"),
        (Chain, "12", r"layers are a list of names, each once, .*, but '12' was given"),
        (Chain, None, r"layers are a list of names, each once, .*, but None was given"),
        (Chain, [], r"layers are a list of names, each once, .*, but \[\] was given"),
        (Chain, ["1", "1"], r"each once, .*, but \['1', '1'\] was given"),
        (
            lambda: torch.jit.script(Scripted()),
            ["conv"],
            "Script.* cannot be stopped in the middle",
        ),
        (lambda: nn.Identity().forward, ["conv"], "a method cannot be stopped in the middle"),
        (Ouroboros, ["self.2"], "Ouroboros contains itself as a submodule"),
        (
            lambda: Failing(IndexError("too many")),
            ["2"],
            "does not run on .*: IndexError: too many",
        ),
        (lambda: Failing(AssertionError("512")), ["2"], "does not run on .*: AssertionError: 512"),
        (lambda: Failing(AttributeError("foo")), ["2"], "does not run on .*: AttributeError: foo"),
        (lambda: Failing(KeyError("b")), ["2"], "Failing does not run on .*: KeyError: 'b'"),
        (Web, ["conv.1"], r"Web has no module 'conv\.1'; did you mean 'convs\.1'"),
        (
            Noisy,
            ["2"],
            "Noisy draws random numbers in its forward pass.*fixed_noise=True draws them",
        ),
        (Twice, ["conv"], r"'conv' runs 2 times in a forward pass of Twice, .*'conv', call=0\)"),
        (lambda: Chain().to("meta"), ["2"], "of Chain has no numbers yet; call lazy modules once"),
        (lambda: nn.Sequential(nn.LazyConv2d(8, 1)), ["0"], "'0.weight' of Sequential has no num"),
        (Twice, ["unused"], r"'unused' runs 0 times"),
        (Twice, ["flat"], r"module 'flat' gives \[1, 48\], expected features \[N, C, H, W\]"),
        (Twice, ["pair"], r"module 'pair' gives a tuple, expected features"),
    ],
)
def test_modules_and_layers_that_cannot_be_resumed_are_refused(module, layers, sentence):
    with pytest.raises(PandaError, match=sentence):
        TorchModule(module(), layers, latent=(6, 1, 1) if module is not Web else (6,))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_size_and_kind_are_measured(channels):
    chain = seeded(Chain())

    def strip(images):
        return images[:, [0, 1, 2, 0][:channels], :12, :6]

    generator = TorchModule(chain, ["2"], latent=(6, 1, 1), images=strip)
    assert (generator.size, generator.channels) == ((12, 6), channels)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"latent": (5, 1, 1)},
            r"Chain does not run on latents \[\[1, 5, 1, 1\]\]: RuntimeError: Given",
        ),
        ({"images": lambda x: x[:, :2]}, r"gives \[1, 2, 16, 16\], expected images \[N, C, H, W\]"),
        (
            {"images": lambda x: x.movedim(1, -1)},
            r"gives \[1, 16, 16, 3\], expected images .* of 1",
        ),
        ({"images": lambda x: x[0]}, r"gives \[3, 16, 16\], expected images"),
        ({"images": lambda x: (127 * x).byte()}, "gives images of type uint8, expected floating"),
        ({"images": lambda x: x * 1j}, "gives images of type complex64, expected floating-point"),
        ({"images": lambda x: x[:, :, :0]}, r"gives \[1, 3, 0, 16\], expected images"),
        ({"images": lambda x: {"image": x}["img"]}, "does not run on .*: KeyError: 'img'"),
        ({"latent": 0}, "latent is the shape of one, such as .512,., but 0 was given"),
        ({"latent": (6, "1", 1)}, "latent is the shape of one, such as .512,."),
        ({"latent": 1.5}, "latent is the shape of one, such as .512,., but 1.5 was given"),
        ({"latent": ()}, "latent is the shape of one, such as .512,."),
        ({"device": "warp"}, "device 'warp' cannot be used here"),
        ({"draw": lambda seeds: [0.0] * 6}, "draw gives a list for 1 seeds"),
        ({"draw": lambda seeds: torch.zeros(3, 6, 1, 1)}, r"gives \[3, 6, 1, 1\] for 1 seeds"),
        ({"images": lambda x: {"image": x}}, r"gives a dict, expected images .* say with images="),
    ],
)
def test_latents_and_images_that_do_not_fit_are_refused(options, sentence):
    with pytest.raises(PandaError, match=sentence):
        TorchModule(seeded(Chain()), ["2"], **{"latent": (6, 1, 1), **options})


def test_labels_and_truncations_without_a_meaning_are_refused():
    with pytest.raises(PandaError, match="Chain has no classes, but label 1 was given"):
        chain().sample([0], label=1)
    with pytest.raises(PandaError, match="has no truncation, so only 1 has a meaning, but 0.5 was"):
        uniform().sample([0], truncation=0.5)


def test_an_error_of_the_module_itself_keeps_its_type():
    generator = chain()
    z = generator.sample([1])
    generator.images = lambda output: output["image"]
    with pytest.raises(IndexError):
        generator(z)


@pytest.mark.parametrize("latent", [6, np.int64(6), torch.tensor(6), [6], torch.Size([6])])
def test_the_shape_of_a_latent_comes_in_any_natural_form(latent):
    network = seeded(nn.Sequential(nn.Linear(6, 48), nn.Unflatten(1, (3, 4, 4))))
    assert TorchModule(network, ["1"], latent=latent).sample(2).tensors["z"].shape == (2, 6)


def test_layers_may_be_any_iterable_and_draws_may_be_of_numpy():
    def draw(seeds):
        return np.stack([np.full((6, 1, 1), seed, np.float64) for seed in seeds])

    layers = (name for name in ("2", "4"))
    generator = TorchModule(seeded(Chain()), layers, draw=draw)
    assert list(generator.layers) == ["2", "4"]
    z = generator.sample("3-4").tensors["z"]
    assert z.dtype == torch.float32
    assert z[:, 0, 0, 0].tolist() == [3, 4]


def test_each_sample_of_a_conditional_module_has_its_label():
    generator = conditional()
    mixed = generator.sample([5, 6, 7], label=np.array([2, 0, 2]))
    alone = generator.sample([7], label=2)
    assert torch.equal(mixed[2].tensors["z"], alone.tensors["z"])
    assert mixed.tensors["label"].argmax(1).tolist() == [2, 0, 2]


def test_a_module_that_does_not_run_learns_as_before():
    module = seeded(Chain())
    module[1].eval()
    with pytest.raises(PandaError, match="does not run on latents"):
        TorchModule(module, ["2"], latent=(7, 1, 1))
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert module.training
    assert not module[1].training


def test_types_may_be_named_and_must_hold_fractions():
    generator = TorchModule(seeded(Chain()), ["2"], latent=(6, 1, 1), dtype="float64")
    assert generator.forward(generator.sample([0])).dtype == torch.float64
    for wrong in ("int8", "flat32", torch.int64, 3):
        with pytest.raises(PandaError, match="is not a floating-point type, such as torch.float32"):
            TorchModule(seeded(Chain()), ["2"], latent=(6, 1, 1), dtype=wrong)


def test_what_batch_normalization_counted_is_no_weight():
    network = seeded(Chain())
    generator = TorchModule(network, ["2"], latent=(6, 1, 1))
    before = generator.digest
    network[1].num_batches_tracked += 1
    assert generator.digest == before
    network[1].running_mean += 1
    assert generator.digest != before
