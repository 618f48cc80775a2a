"""Modules of several steps: layers are places at each step, and a pass resumes at the step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from test_torch_module import seeded
from torch import Tensor, nn

from panda import PandaError, Place, Steps, TorchModule
from panda.factorization.fit import fit
from panda.generators.contract import last_layers
from panda.generators.steps import copied
from panda.testing import parametrize_with_checks


class UNet(nn.Module):
    """A skip connection around a middle at half the size; the time is added to all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.mid = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.up = nn.ConvTranspose2d(16, 3, 4, 2, 1)

    def forward(self, x: Tensor, time: float) -> Tensor:
        h = (self.down(x) + time).tanh()
        return self.up(torch.cat([h, self.mid(h).relu_()], 1))


class DDIM(Steps):
    """Denoising diffusion implicit models (Song et al. 2021), deterministic."""

    def __init__(self, unet: nn.Module, count: int = 4) -> None:
        super().__init__()
        self.unet, self.count, self.ran = unet, count, Counter[int]()
        self.register_buffer("alphas", torch.linspace(0.1, 1, count + 1))

    def start(self, z: Tensor) -> Tensor:
        return z

    def step(self, k: int, x: Tensor) -> Tensor:
        self.ran[k] += 1
        now, after = self.alphas[k], self.alphas[k + 1]
        noise = self.unet(x, float(k) / self.count)
        clean = (x - (1 - now).sqrt() * noise) / now.sqrt()
        return after.sqrt() * clean + (1 - after).sqrt() * noise

    def finish(self, x: Tensor) -> Tensor:
        return x.tanh()


class Latent(DDIM):
    """A sampler of latents, which come from one network and go to another."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__(unet, 2)
        self.first, self.last = nn.Conv2d(3, 3, 2, 2), nn.Conv2d(3, 3, 3, 1, 1)

    def start(self, z: Tensor) -> Tensor:
        return z + self.first(z).repeat(1, 1, 2, 2)

    def finish(self, x: Tensor) -> Tensor:
        return self.last(x).tanh()


class DiT(nn.Module):
    """Patches as tokens after a token of the class; the output has names, as in diffusers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.words = nn.Conv2d(3, 8, 4, 4), nn.Embedding(4, 8)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)
        )
        self.last = nn.ConvTranspose2d(8, 3, 4, 4)

    def forward(self, x: Tensor, time: float, label: Tensor) -> SimpleNamespace:
        x = torch.cat([self.words(label)[:, None], self.first(x).flatten(2).mT + time], 1)
        for block in self.blocks:
            x = block(x)
        return SimpleNamespace(sample=self.last(x[:, 1:].mT.unflatten(2, (4, 4))))


class Guidance(Steps):
    """Euler steps of a flow from noise to images, with classifier-free guidance (class 0: none).

    It writes into its state, and has a second network call per step at the second step alone.
    """

    count = 3

    def __init__(self, dit: nn.Module) -> None:
        super().__init__()
        self.dit = dit

    def start(self, z: Tensor, label: Tensor) -> dict[str, Tensor]:
        return {"x": z, "label": torch.cat([torch.zeros_like(label), label])}

    def step(self, k: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
        for _ in range(1 + (k == 1)):
            pair = torch.cat([state["x"], state["x"]])
            uncond, cond = self.dit(pair, k / 3, state["label"]).sample.chunk(2)
            state["x"].add_(uncond + 2 * (cond - uncond), alpha=-1 / 3)
        return state

    def finish(self, state: dict[str, Tensor]) -> Tensor:
        return state["x"].tanh()


def ddim(device="cpu", dtype=torch.float32):
    layers = {"mid": "unet.mid"}
    return TorchModule(DDIM(seeded(UNet())), layers, latent=(3, 16, 16), device=device, dtype=dtype)


def latent(device="cpu", dtype=torch.float32):
    layers = {"mid": "unet.mid", "last": "last", "first": "first"}
    network = Latent(seeded(UNet()))
    seeded(network.first), seeded(network.last)
    generator = TorchModule(network, layers, latent=(3, 16, 16), device=device, dtype=dtype)
    generator.excused = {"aligned[first]": "each of two random steps spreads it farther"}
    return generator


def dit(device="cpu", dtype=torch.float32):
    def draw(seeds):
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        z = torch.stack([torch.randn(3, 16, 16, generator=stream) for stream in streams])
        return {"z": z, "label": torch.tensor([1 + seed % 3 for seed in seeds])}

    place = {"grid": (4, 4), "half": "cond", "call": "all"}
    layers = {f"block{k}": Place(f"dit.blocks.{k}", **place) for k in (0, 1)}
    layers["late"] = Place("dit.blocks.0", **{**place, "call": 0, "step": 2})
    network = Guidance(seeded(DiT()))
    return TorchModule(network, layers, draw=draw, device=device, dtype=dtype)


@parametrize_with_checks([ddim, dit, latent])
def test_samplers_keep_the_contract_at_every_step(check):
    check()


def test_layers_are_places_at_each_step_and_at_all_of_them():
    assert list(ddim().layers) == ["mid@*", "mid@0", "mid@1", "mid@2", "mid@3"]
    assert ddim().layers["mid@*"].channels == 32
    assert {name: layer.channels for name, layer in dit().layers.items()} == {
        **{"block0@*": 32, "block0@0": 8, "block1@*": 32, "block1@0": 8},
        **{"block0@1": 16, "block1@1": 16, "block0@2": 8, "late": 8, "block1@2": 8},
    }


def test_layers_of_single_steps_are_taken_where_they_are_named_alone():
    generator = latent()
    assert [layer.name for layer in last_layers(generator)] == ["mid@*", "first", "last"]
    assert generator.layer_near(1).name == "mid@*"
    del generator.layers["mid@*"]
    assert generator.layer_near(1).name == "mid@1"


def test_features_are_those_of_the_step():
    generator = ddim()
    z, network = generator.sample([3, 4]), generator.module
    seen = []
    handle = network.unet.mid.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    image = network(z.tensors["z"])
    handle.remove()
    assert torch.equal(generator(z), image)
    for k in range(4):
        assert torch.equal(generator.head(z, f"mid@{k}").x, seen[k])
    assert torch.equal(generator.head(z, "mid@*").x, torch.cat(seen, 1))


def test_head_tail_and_advance_run_the_steps_that_they_need_and_no_other():
    generator = ddim()
    z, ran = generator.sample([3]), generator.module.ran

    def steps(call):
        ran.clear()
        result = call()
        return result, dict(ran)

    state, to_first = steps(lambda: generator.head(z, "mid@1"))
    assert to_first == {0: 1, 1: 1}
    later, between = steps(lambda: generator.advance(state, "mid@1", "mid@2"))
    assert between == {1: 1, 2: 1}
    assert steps(lambda: generator.tail(later, "mid@2"))[1] == {2: 1, 3: 1}
    assert steps(lambda: generator.tail(state, "mid@1"))[1] == {1: 1, 2: 1, 3: 1}
    assert steps(lambda: generator.head(z, "mid@*"))[1] == {0: 1, 1: 1, 2: 1, 3: 1}


def test_what_runs_before_and_after_the_steps_is_a_layer_too():
    generator = latent()
    assert list(generator.layers) == ["first", "mid@*", "mid@0", "mid@1", "last"]
    z = generator.sample([3])
    state = generator.head(z, "last")
    generator.module.ran.clear()
    image = generator.tail(state.with_features(state.x + 1), "last")
    assert not generator.module.ran
    assert torch.equal(image, (state.x + 1).tanh())
    begun = generator.head(z, "first")
    changed = generator.tail(begun.with_features(begun.x + 1), "first")
    assert not torch.equal(changed, generator(z))
    assert dict(generator.module.ran) == {0: 2, 1: 2}


def test_the_same_change_at_all_steps_is_that_at_each_of_them():
    """The features are those of the pass without the edit, as Kwon et al. (2023) replace them."""
    generator = ddim()
    z = generator.sample([3, 4])
    state = generator.head(z, "mid@*")
    whole = generator.tail(state.with_features(state.x + 1), "mid@*")
    own = state.x.chunk(4, 1)
    state = generator.head(z, "mid@0")
    for k in range(3):
        state = state.with_features(own[k] + 1)
        state = generator.advance(state, f"mid@{k}", f"mid@{k + 1}")
    assert torch.equal(generator.tail(state.with_features(own[3] + 1), "mid@3"), whole)


def test_an_edit_at_all_steps_goes_on_where_a_later_one_is_made():
    generator = ddim()
    z = generator.sample([3])
    state = generator.head(z, "mid@*")
    state = state.with_features(state.x + 1)
    later = generator.advance(state, "mid@*", "mid@2")
    assert torch.equal(later.x, state.x.chunk(4, 1)[2])
    assert torch.equal(generator.tail(later, "mid@2"), generator.tail(state, "mid@*"))


def test_gradients_reach_all_steps_from_the_image():
    generator = ddim()
    state = generator.head(generator.sample([3]), "mid@*")
    leaf = state.x.clone().requires_grad_()
    generator.tail(state.with_features(leaf), "mid@*").sum().backward()
    assert all(part.abs().sum() > 0 for part in leaf.grad.chunk(4, 1))


def test_factors_are_fitted_at_all_steps_at_once():
    factors = fit(ddim(), "mid@*", parts=3, seeds=20)
    assert factors.layer.name == "mid@*"
    assert factors.parts.shape == (64, 3)


@dataclass(frozen=True)
class Both:
    x: Tensor
    history: tuple[Tensor, ...]


def test_a_state_of_any_kind_is_copied_with_its_tensors():
    state = Both(torch.ones(2), ({"a": [torch.ones(2), "text"]}, torch.Size([1, 2])))
    other = copied(state)
    assert type(other) is Both
    other.x.zero_()
    other.history[0]["a"][0].zero_()
    assert state.x.all()
    assert state.history[0]["a"][0].all()
    assert other.history[0]["a"][1] == "text"


def test_a_sampler_that_does_not_say_its_steps_is_refused():
    class Endless(DDIM):
        def __init__(self):
            super().__init__(UNet())
            self.count = 0

    with pytest.raises(PandaError, match="0 steps of Endless, expected at least one"):
        TorchModule(Endless(), ["unet.mid"], latent=(3, 16, 16))
    with pytest.raises(TypeError, match=r"abstract.*'?step"):
        type("Nothing", (Steps,), {"start": lambda self, z: z})()


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ({"x": Place("unet.mid", step=4)}, "DDIM has steps 0 to 3, but step=4 was given"),
        (
            {"x": Place("unet.mid", step=1, call=1)},
            "runs 1 time in a step of DDIM, .* no call 1 in step 1",
        ),
        (
            {"a": "unet.mid", "a@1": Place("unet.up", step=1)},
            "two layers of DDIM would be named 'a@1'",
        ),
        ({"x": "unet.up.weight"}, "DDIM has no module 'unet.up.weight'; did you mean 'unet.up'"),
    ],
)
def test_places_that_a_sampler_does_not_have_are_refused(layers, sentence):
    with pytest.raises(PandaError, match=sentence):
        TorchModule(DDIM(UNet()), layers, latent=(3, 16, 16))
