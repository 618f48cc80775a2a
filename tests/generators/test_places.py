"""Layers of networks that are no plain sequence: calls, tokens, halves, outputs, orders of axes."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from test_torch_module import seeded
from torch import Tensor, nn
from torch.nn import functional as F

from panda import PandaError, Place, TorchModule
from panda.testing import parametrize_with_checks


def to_pixels() -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(8, 3, 4, 4), nn.Tanh())


class Recurrent(nn.Module):
    """One block that runs three times, in place, as a sampler in a forward pass does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.last = nn.Linear(6, 128), nn.Conv2d(8, 8, 3, 1, 1), to_pixels()

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(-1, 8, 4, 4)
        for _ in range(3):
            x = F.leaky_relu_(self.block(x), 0.2) + x
        return self.last(x)


class Transformer(nn.Module):
    """Tokens [N, T, C] from whole numbers, after a class token and before a register."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.extra = nn.Embedding(10, 8), nn.Parameter(torch.zeros(2, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.blocks = nn.ModuleList([layer, nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)])
        self.last = to_pixels()

    def forward(self, tokens: Tensor) -> Tensor:
        first, last = self.extra.expand(len(tokens), -1, -1).chunk(2, 1)
        x = torch.cat([first, self.words(tokens), last], 1)
        for block in self.blocks:
            x = block(x)
        return self.last(x[:, 1:-1].mT.unflatten(2, (4, 4)))


@dataclass(frozen=True)
class Output:
    sample: Tensor
    pooled: Tensor


class Decoder(nn.Module):
    """The decoder of a VAE: a list, a frozen dataclass and a nested output; named arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.mid, self.split = nn.Conv2d(4, 8, 3, 1, 1), Split()
        self.up, self.last = Wrapped(), to_pixels()

    def forward(self, *, sample: Tensor, return_dict: bool) -> Any:
        x = self.split(self.mid(sample))[1]["inner"]
        x = self.last(self.up(x).sample)
        return Output(x, x) if return_dict else (x,)


class Split(nn.Module):
    def forward(self, x: Tensor) -> list[Any]:
        return [x.mean(), OrderedDict(inner=x * 2, other=x)]


class Wrapped(nn.Module):
    def forward(self, x: Tensor) -> Output:
        return Output(F.leaky_relu(x, 0.2), x.mean((2, 3)))


Pair = namedtuple("Pair", ["x", "skip"])


class ChannelsLast(nn.Module):
    """Features [N, H, W, C], of which a block returns a named tuple; a dict goes in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.last = nn.Linear(6, 96), Mix(), nn.Linear(8, 48)

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        x, skip = self.block(self.first(given["z"]).view(-1, 3, 4, 8))
        x = self.last(x + skip).unflatten(3, (3, 4, 4)).permute(0, 3, 1, 4, 2, 5)
        return {"image": x.flatten(4).flatten(2, 3).tanh()}


class Mix(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Pair:
        return Pair(self.linear(x), x * 0.5)


class Guided(nn.Module):
    """One call for a batch of 2N rows: without a condition, then with it (or the other way)."""

    def __init__(self, cond_first: bool = False) -> None:
        super().__init__()
        self.first, self.block = nn.Linear(6, 128), nn.Conv2d(8, 8, 3, 1, 1)
        self.last, self.cond_first = to_pixels(), cond_first

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        x = self.first(z).view(-1, 8, 4, 4)
        halves = [x, x + label[:, None, None, None]]
        pair = halves[::-1] if self.cond_first else halves
        halves = list(self.block(torch.cat(pair)).chunk(2))
        uncond, cond = halves[::-1] if self.cond_first else halves
        return self.last(uncond + 3 * (cond - uncond))


def recurrent(device="cpu", dtype=torch.float32):
    layers = {f"call{k}": Place("block", call=k) for k in range(3)}
    layers |= {"all": Place("block", call="all")}
    return TorchModule(seeded(Recurrent()), layers, latent=6, device=device, dtype=dtype)


def words(seeds):
    return np.stack([np.random.RandomState(seed).randint(0, 10, 16) for seed in seeds])


def transformer(device="cpu", dtype=torch.float32):
    layers = {f"block{k}": Place(f"blocks.{k}", grid=(4, 4), skip=1) for k in (0, 1)}
    network = seeded(Transformer())
    return TorchModule(network, layers, draw=words, device=device, dtype=dtype)


def decoder(device="cpu", dtype=torch.float32):
    return TorchModule(
        seeded(Decoder()),
        {
            "mid": "mid",
            "split": Place("split", pick=(1, "inner")),
            "up": Place("up", pick="sample"),
        },
        latent=(4, 4, 4),
        inputs=lambda latents: {"sample": latents["z"], "return_dict": True},
        images=lambda output: output.sample,
        device=device,
        dtype=dtype,
    )


def channels_last(device="cpu", dtype=torch.float32):
    return TorchModule(
        seeded(ChannelsLast()),
        {"x": Place("block", pick="x", layout="NHWC"), "1": Place("block", pick=1, layout="NHWC")},
        latent=6,
        inputs=lambda latents: (latents,),
        images=lambda output: output["image"],
        device=device,
        dtype=dtype,
    )


def guided(device="cpu", dtype=torch.float32, cond_first=False):
    def draw(seeds):
        z = [torch.randn(6, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return {"z": torch.stack(z), "label": torch.tensor(seeds) % 3}

    order = ("cond", "uncond") if cond_first else ("uncond", "cond")
    layers = {half: Place("block", half=half, order=order) for half in ("uncond", "cond")}
    network = seeded(Guided(cond_first))
    return TorchModule(network, layers, draw=draw, device=device, dtype=dtype)


@parametrize_with_checks([recurrent, transformer, decoder, channels_last, guided])
def test_networks_that_are_no_plain_sequence_keep_the_contract(check):
    check()


def test_features_of_a_call_are_what_the_module_computes_in_it():
    generator = recurrent()
    z, network = generator.sample([3, 4]), generator.module
    x, calls = network.first(z.tensors["z"]).view(-1, 8, 4, 4), []
    for _ in range(3):
        calls.append(network.block(x))
        x = F.leaky_relu(calls[-1], 0.2) + x
    for k in range(3):
        assert torch.equal(generator.head(z, f"call{k}").x, calls[k])
    assert torch.equal(generator.head(z, "all").x, torch.cat(calls, 1))
    assert list(generator.layers) == ["call0", "all", "call1", "call2"]  # as they first run
    assert generator.layers["all"].channels == 24
    start = network.first(z.tensors["z"]).view(-1, 8, 4, 4)
    edited = generator.tail(generator.head(z, "all").with_features(torch.cat(calls, 1) + 1), "all")
    for call in calls:
        start = F.leaky_relu(call + 1, 0.2) + start
    assert torch.equal(edited, network.last(start))


def test_tokens_lie_in_a_grid_row_by_row_and_the_others_stay():
    generator = transformer()
    z, network = generator.sample([3, 4]), generator.module
    seen = []
    handle = network.blocks[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    generator(z)
    handle.remove()
    state = generator.head(z, "block0")
    assert state.x.shape == (2, 8, 4, 4)
    assert torch.equal(state.x[:, :, 1, 2], seen[0][:, 1 + 4 + 2])
    changed = seen[0].clone()
    changed[:, 1:17] += 1
    expected = network.last(network.blocks[1](changed)[:, 1:-1].mT.unflatten(2, (4, 4)))
    image = generator.tail(state.with_features(state.x + 1), "block0")
    assert torch.allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("cond_first", [False, True])
def test_one_half_of_a_guided_batch_is_a_layer(cond_first):
    generator = guided(cond_first=cond_first)
    z = generator.sample([3, 4])
    halves = {half: generator.head(z, half).x for half in ("uncond", "cond")}
    x = generator.module.first(z.tensors["z"]).view(-1, 8, 4, 4)
    assert torch.allclose(halves["uncond"], generator.module.block(x), atol=1e-6)
    image = generator.tail(generator.head(z, "cond").with_features(halves["cond"] + 1), "cond")
    guidance = halves["uncond"] + 3 * (halves["cond"] + 1 - halves["uncond"])
    assert torch.allclose(image, generator.module.last(guidance), atol=1e-6)


def test_labels_and_token_numbers_that_draw_gives_stay_whole():
    assert transformer(dtype="float64").sample([0]).tensors["z"].dtype == torch.int64
    assert guided().sample([5]).tensors["label"].tolist() == [2]


@pytest.mark.parametrize(
    "output",
    [
        (torch.ones(2), torch.zeros(2, 3, 4, 4)),
        [torch.ones(2), torch.zeros(2, 3, 4, 4)],
        Pair(torch.ones(2), torch.zeros(2, 3, 4, 4)),
        {0: torch.ones(2), 1: torch.zeros(2, 3, 4, 4)},
    ],
)
def test_one_of_several_outputs_is_replaced_and_the_given_container_stays(output):
    place = Place("net", pick=1)
    new = place.write(output, torch.ones(2, 3, 4, 4), 2)
    assert type(new) is type(output)
    assert new[0] is output[0]
    assert new[1].all()
    assert not output[1].any()
    last = Place("net", pick=-1)
    if not isinstance(output, dict):
        assert last.write(output, torch.ones(2, 3, 4, 4), 2)[1].all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"module": 3}, "module of a Place is the name of a submodule, .* but 3 was given"),
        ({"call": -1}, "call of a Place is a number from 0, or 'all', but -1 was given"),
        ({"call": "each"}, "call of a Place is a number from 0, or 'all', but 'each' was given"),
        ({"step": 1.5}, "step of a Place is a number from 0, or 'all', but 1.5 was given"),
        ({"half": "first"}, "half of a Place is 'cond' or 'uncond', but 'first' was given"),
        ({"order": "cond"}, r"order of a Place is \('uncond', 'cond'\), or the other way"),
        ({"order": 5}, r"order of a Place is .*, but 5 was given"),
        ({"order": (1, "cond")}, r"order of a Place is .*, but \(1, 'cond'\) was given"),
        ({"grid": (4,)}, r"grid of a Place is height and width .*, but \(4,\) was given"),
        ({"grid": 4}, "grid of a Place is height and width .*, but 4 was given"),
        ({"grid": (4, 0)}, r"grid of a Place is height and width .*, but \(4, 0\) was given"),
        ({"layout": "NCWH"}, "layout of a Place is one of NCHW, NHWC, NTC, NCT, but 'NCWH'"),
        ({"layout": "NTC"}, r"layout NTC needs a grid; .*such as grid=\(16, 16\)"),
        ({"layout": "NHWC", "grid": (4, 4)}, "layout NHWC has no grid"),
        ({"skip": 1}, "skip=1 is of tokens in a grid"),
        ({"pick": None}, "pick of a Place is a position, a key, .*, but None was given"),
    ],
)
def test_places_that_are_none_are_refused(options, sentence):
    with pytest.raises(PandaError, match=sentence):
        Place(**{"module": "net", **options})


@pytest.mark.parametrize(
    ("options", "output", "sentence"),
    [
        ({"pick": 2}, (1, 2), "'net' gives a tuple of 2, of which pick=2 is none"),
        ({"pick": "y"}, {"x": 1}, "'net' gives a dict with 'x', of which pick='y' is none"),
        ({"pick": "y"}, Output(1, 2), "a Output with 'sample', 'pooled', of which pick='y' is"),
        ({"pick": 0}, None, "'net' gives a NoneType, of which pick=0 is none"),
        ({}, (1, 2), r"gives a tuple, expected features \[N, C, H, W\].*or say with .*pick=\)"),
        ({}, torch.ones(2, 16, 8), r"gives \[2, 16, 8\], expected features .*grid=\(height, width"),
        ({}, torch.ones(4, 8, 2, 2), r"gives \[4, 8, 2, 2\] for 2 samples.*half='cond'"),
        ({"half": "cond"}, torch.ones(2, 8, 2, 2), "for 2 samples, expected 4 rows"),
        (
            {"grid": (4, 4), "skip": 1},
            torch.ones(2, 16, 8),
            r"gives 16 tokens \(\[2, 16, 8\]\), expected at least 16 for a grid of 4 x 4 after 1",
        ),
        ({"grid": (4, 4)}, torch.ones(2, 8, 16), r"gives 8 tokens .*16 for a grid of 4 x 4$"),
    ],
)
def test_outputs_that_are_not_as_a_place_says_are_refused(options, output, sentence):
    with pytest.raises(PandaError, match=sentence):
        Place("net", **options).read(output, 2)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (
            {"x": Place("block", call=3)},
            "'block' runs 3 times .*, counted from 0; there is no call 3$",
        ),
        ({"x": Place("block")}, r"runs 3 times .*Place\('block', call=0\), or take all with call="),
        ({"x": Place("block", call=0, step=2)}, "is of a module of Steps, but Recurrent is none"),
        ({"x": 3}, "layers are .name: Place.*, but 'x': 3 was given"),
        ([Place("block")], "layers are a list of names, .*or a dict of names to a Place"),
        ({"x": Place("blocks")}, "Recurrent has no module 'blocks'; did you mean 'block'"),
        ({}, "layers are a list of names"),
    ],
)
def test_places_that_a_network_does_not_have_are_refused(layers, sentence):
    with pytest.raises(PandaError, match=sentence):
        TorchModule(Recurrent(), layers, latent=6)
