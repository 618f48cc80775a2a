"""Generators with one defect each in what they declare, sample or show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from conftest import TinyGenerator
from torch.nn import functional as F

from panda import Latents, PandaError, State
from panda.generators.seeds import seeded_normal


class LayersUnderOtherNames(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers = {
            name: replace(layer, name=f"conv.{name}") for name, layer in self.layers.items()
        }

    def index(self, layer):
        return list(self.layers).index(layer)


class NoLayers(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers = {}

    def forward(self, latents):
        return TinyGenerator(self.device, self.dtype).forward(latents)


class KeyErrorForAnUnknownLayer(TinyGenerator):
    def layer(self, name):
        return self.layers[name]


class OneStreamForTheBatch(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        latents = super().sample(seeds, label=label)
        stream = torch.Generator().manual_seed(seeds[0])
        z = torch.randn(latents.tensors["z"].shape, generator=stream, dtype=self.dtype)
        return Latents(latents.seeds, {"z": truncation * z})


class TwentySeeds(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        few = [seed % 20 for seed in seeds]
        drawn = super().sample(few, truncation=truncation, label=label)
        return Latents(tuple(seeds), drawn.tensors)


class GlobalNumPySeed(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        np.random.seed(seeds[0])
        return super().sample(seeds, truncation=truncation, label=label)


class FreshNoise(TinyGenerator):
    def forward(self, latents):
        image = super().forward(latents)
        return image + 0.1 * torch.randn_like(image)


class WrongSize(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.size = (32, 32)


class Wide(TinyGenerator):
    """Good: images of 16 x 24 pixels, which its first layers have in their proportions."""

    def __init__(self, *place):
        super().__init__(*place)
        self.size = (16, 24)
        self.layers = {
            layer.name: replace(layer, width=layer.width * 3 // 2) for layer in self.layers.values()
        }
        self.dense = torch.nn.Linear(8, 12 * 24).requires_grad_(False).to(*place)

    def head(self, latents, layer):
        x = F.leaky_relu(self.dense(latents.tensors["z"])).view(-1, 12, 4, 6)
        for conv in self.convs[: self.index(layer)]:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)))
        return State(x)


class Gray(TinyGenerator):
    """Good: one channel."""

    channels = 1

    def tail(self, state, layer):
        return super().tail(state, layer).mean(1, keepdim=True)


class Transparent(TinyGenerator):
    """Good: four channels."""

    channels = 4

    def tail(self, state, layer):
        image = super().tail(state, layer)
        return torch.cat([image, -image[:, :1]], 1)


class SizeAsWidthAndHeight(Wide):
    def __init__(self, *place):
        super().__init__(*place)
        self.size = self.size[::-1]


class ChannelsLast(Wide):
    def tail(self, state, layer):
        return super().tail(state, layer).movedim(1, -1)


class GrayAsRGB(Gray):
    channels = 3


class AlphaNotDeclared(Transparent):
    channels = 3


class ImagesInADictionary(TinyGenerator):
    def forward(self, latents):
        return {"image": super().forward(latents)}


class FeaturesTransposed(Wide):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x.mT)

    def tail(self, state, layer):
        return super().tail(State(state.x.mT), layer)


class FeaturesWithChannelsLast(TinyGenerator):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x.movedim(1, -1))

    def tail(self, state, layer):
        return super().tail(State(state.x.movedim(-1, 1)), layer)


class WeightsNeverLoaded(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.rgb.weight.zero_()


class ZeroToOne(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) / 2 + 0.5


class ZeroTo255(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) * 127.5


class LabelsIgnored(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=truncation)


class LabelsWithoutEffect(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if label not in (None, 0, 1):
            raise PandaError("labels are 0 and 1")
        return super().sample(seeds, truncation=truncation)


class TruncationIgnored(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, label=label)


class UsualTruncationRefused(TinyGenerator):
    usual_truncation = 0.7

    def sample(self, seeds, *, truncation=1.0, label=None):
        if truncation != 1:
            raise PandaError(f"{self.name} has no truncation, but {truncation} was given")
        return super().sample(seeds, truncation=truncation, label=label)


class NoiseInPlaceOfTheMean(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        drawn = super().sample(seeds, label=label)
        noise = torch.from_numpy(seeded_normal(seeds, 8, 1)).to(drawn.tensors["z"])[..., 0]
        z = drawn.tensors["z"]
        return Latents(drawn.seeds, {"z": truncation * z + (1 - truncation) * noise})


class TruncatedOrNot(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=float(truncation > 0), label=label)


class AlwaysSingle(TinyGenerator):
    def __init__(self, device, dtype):
        super().__init__(device, torch.float32)


class OtherWeightsAtEachLoad(TinyGenerator):
    def __init__(self, device, dtype):
        super().__init__(device, dtype)
        unseeded = torch.Generator()
        unseeded.seed()
        self.rgb.weight.normal_(std=0.3, generator=unseeded)


class OtherWeightsInFloat64(TinyGenerator):
    def __init__(self, device, dtype):
        super().__init__(device, dtype)
        self.rgb.weight.mul_(2 if dtype == torch.float64 else 1)


class ExcusedByAList(TinyGenerator):
    excused = ["gradient"]  # noqa: RUF012


class ExcusedByNobody(TinyGenerator):
    excused = None


class ExcusedByNumber(TinyGenerator):
    excused = {1: "odd"}  # noqa: RUF012


class ExcusedWithANumber(TinyGenerator):
    excused = {"gradient": 3}  # noqa: RUF012


class ExitsTheProcess(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if truncation == 0.5:
            raise SystemExit(3)
        return super().sample(seeds, truncation=truncation, label=label)


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


class RaisesWithoutWords(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if truncation == 0.5:
            raise SilentError
        return super().sample(seeds, truncation=truncation, label=label)


SAMPLING = {
    LayersUnderOtherNames: ("layers", "at layer 'a': its Layer is named 'conv.a'"),
    NoLayers: ("layers", "there are none; fill self.layers in __init__"),
    KeyErrorForAnUnknownLayer: ("unknown_layer", "head raises KeyError; look it up by self.layer"),
    OneStreamForTheBatch: ("seeds", "draw each row by its seed"),
    TwentySeeds: ("seeds", "seeds 3 and 1000003 have the same latents"),
    GlobalNumPySeed: ("in_place", "(torch's, NumPy's or Python's)"),
    FreshNoise: ("repeatable", "fix the noise, or draw it in sample"),
    WrongSize: ("images", "gives images [2, 3, 16, 16], expected [2, 3, 32, 32]: its size"),
    SizeAsWidthAndHeight: ("images", "gives images [2, 3, 16, 24], expected [2, 3, 24, 16]"),
    ChannelsLast: ("images", "gives images [2, 16, 24, 3], expected [2, 3, 16, 24]: its size"),
    GrayAsRGB: ("images", "gives images [2, 1, 16, 16], expected [2, 3, 16, 16]"),
    AlphaNotDeclared: ("images", "expected [2, 3, 16, 16]: its size, height and width, is 16 x 16"),
    ImagesInADictionary: ("images", "forward of tiny gives images of type dict, expected [2, 3"),
    FeaturesTransposed: (
        "images",
        "head of tiny gives features [2, 12, 6, 4] at a, expected [2, 12, 4, 6]",
    ),
    FeaturesWithChannelsLast: ("images", "features [2, 4, 4, 12] at a, expected [2, 12, 4, 4]"),
    WeightsNeverLoaded: ("images", "were the weights loaded?"),
    ZeroToOne: ("image_range", "return 2 x - 1"),
    ZeroTo255: ("image_range", "half of the values lie beyond"),
    LabelsIgnored: ("labels", "label -1 is accepted; raise PandaError"),
    LabelsWithoutEffect: ("labels", "pass the label on to the network"),
    TruncationIgnored: ("truncation", "move latents to their mean"),
    UsualTruncationRefused: ("truncation", "sample refuses usual_truncation, which is 0.7"),
    NoiseInPlaceOfTheMean: ("truncation", "(noise in a tensor of its own may stay)"),
    TruncatedOrNot: ("truncation", "images are the same at truncations 1 and 0.5"),
    AlwaysSingle: ("precision", "are torch.float32 when loaded in float64; pass dtype on"),
    OtherWeightsAtEachLoad: ("precision", ", as with random weights; read them from a file"),
    OtherWeightsInFloat64: ("precision", "from those in float32; pass dtype on"),
    ExcusedByAList: ("excuses", "excused is ['gradient']; expected {check: reason}"),
    ExcusedByNobody: ("excuses", "excused is None"),
    ExcusedByNumber: ("excuses", "excused[1] = 'odd'; expected a check"),
    ExcusedWithANumber: ("excuses", "excused['gradient'] = 3; expected a check"),
    ExitsTheProcess: ("truncation", "it raised SystemExit: 3 (/"),
    RaisesWithoutWords: ("truncation", "it raised SilentError:  (/"),
}
"""The check that each fails, and a part of its sentence."""

SHAPES = (Wide, Gray, Transparent)
"""Good ones, whose images are not square or not RGB."""
