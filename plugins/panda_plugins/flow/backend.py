"""A latent diffusion model as a `Generator`: stopped and resumed inside any step of its sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Latents, Layer, State
from panda.generators.predicting import Predicting
from panda.generators.seeds import seeded_normal

from ..common.latents import refuse_label
from .network import Carried, Network

MID, UP = "mid", "up"
"""The places of the UNet: after its coarse half, and before its output."""

ALL = "*"
"""Stands for all steps in the name of a layer."""


@dataclass(frozen=True)
class Point:
    """How far a run of the sampler has come: to the start of a step, or to a place inside it.

    Attributes:
        latents: Noisy latents at the start of the step, ``[N, C, H, W]``.
        step: The number of the step, from 0.
        place: The place inside the UNet; empty at the start of the step.
        features: The features at that place.
        carried: What later places need beside them.
        replaced: Features by place, side by side for all steps on channels, which stand in for
            those that the UNet would compute.
    """

    latents: Tensor
    step: int = 0
    place: str = ""
    features: Tensor | None = None
    carried: Carried | None = None
    replaced: Mapping[str, Tensor] = field(default_factory=dict)


class LatentFlow(Predicting):
    """A sampler of equal steps, the UNet that it calls in each, and the decoder of its latents.

    Latents are the noise ``z`` ``[N, C, H, W]``. A layer ``PLACE@STEP`` has the features of a place
    of the UNet in one step, from 0. ``PLACE@*`` has those of all steps side by side on channels:
    an edit there acts in every step, whose features it replaces. The layers of the decoder follow.
    A state's ``rest`` is the `Point` that was reached, and None in the decoder.

    Args:
        network: The network.
        steps: Steps of the sampler.
        shown: The steps that have layers of their own.
        device: Where it runs.
        dtype: A floating-point type.
    """

    usual_truncation = 1.0

    def __init__(
        self,
        network: Network,
        steps: int,
        shown: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.network, self.steps = network.to(device, dtype), steps
        self.device, self.dtype = device, dtype
        self.layers = {layer.name: layer for layer in named(network, steps, shown)}
        last = self.layers[self._decoded[-1]]
        self.size = last.height, last.width

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; the noise is multiplied by the truncation."""
        refuse_label(self.name, label)
        unet = self.network.unet
        noise = torch.from_numpy(seeded_normal(seeds, unet.latents, unet.side, unet.side))
        return Latents(tuple(seeds), {"z": truncation * noise.to(self.device, self.dtype)})

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`; runs no step after the layer's."""
        return self._reach(Point(latents.tensors["z"]), self.layer(layer).name)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`.

        From ``PLACE@*`` the steps run again from the first, with the features of that place.
        """
        if layer in self._decoded:
            stages = self.network.decoder.stages
            start, stop = (self._decoded.index(name) + 1 for name in (layer, to_layer))
            return State(stages.run(state.x, start, stop))
        return self._reach(self._resumed(state, layer), to_layer)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`; runs what is left of the layer's step, and the steps after it."""
        last = self._decoded[-1]
        if self.layer(layer).name != last:
            state = self.advance(state, layer, last)
        return self.network.decoder.stages.to_image(state.x)

    def predict(self, state: State, layer: str) -> Tensor:
        """See `Predicting.predict`: the latents to which the step's velocity leads, decoded."""
        _, _, step = self.layer(layer).name.partition("@")
        if step in ("", ALL):
            return self.tail(state, layer)
        last = self.advance(state, layer, f"{UP}@{step}")
        time = 1 - int(step) / self.steps
        latents = last.rest.latents - time * self.network.unet.finish(last.x)
        image: Tensor = self.network.decoder(latents)
        return image

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network.decoder(self._denoised(Point(latents.tensors["z"])))
        return image

    @property
    def _decoded(self) -> list[str]:
        """The decoder's layers."""
        return [name for name in self.layers if "@" not in name]

    def _resumed(self, state: State, layer: str) -> Point:
        """Return the point at which the sampler goes on from a state."""
        point, place, step = state.rest, *layer.split("@")
        if not isinstance(point, Point):
            raise PandaError(
                f"{self.name} resumes states that its head returned, but {state} was given"
            )
        if step == ALL:
            return replace(point, replaced={**point.replaced, place: state.x})
        return replace(point, features=state.x)

    def _reach(self, point: Point, layer: str) -> State:
        """Run from a point to a layer."""
        if layer in self._decoded:
            decoder = self.network.decoder
            x = decoder.begin(self._denoised(point))
            return State(decoder.stages.run(x, 0, self._decoded.index(layer) + 1))
        place, step = layer.split("@")
        if step == ALL:
            features = [at.features for at in self._points(point, place) if at.place == place]
            return State(torch.cat([x for x in features if x is not None], 1), point)
        for at in self._points(point, place):
            if at.place == place and at.step == int(step):
                assert at.features is not None
                return State(at.features, replace(at, features=None))
        raise PandaError(f"{self.name} has passed {layer!r} already")

    def _denoised(self, point: Point) -> Tensor:
        """Return latents ``[N, C, H, W]`` of images, after all steps."""
        *_, last = self._points(point)
        return last.latents

    def _points(self, point: Point, stop: str = "") -> Iterator[Point]:
        """Yield the points that follow, to the start of the step that there is not.

        Args:
            point: Where to begin.
            stop: A place at which the caller wants features, though later ones may be replaced.
        """
        while point.step < self.steps:
            point = self._next(point, stop)
            yield point

    def _next(self, point: Point, stop: str) -> Point:
        """Return the next point: a place, or the start of the next step.

        Where features are replaced, nothing is computed that they hide.
        """
        unet, given = self.network.unet, point.replaced
        if point.place == UP:
            assert point.features is not None
            latents = point.latents - unet.finish(point.features) / self.steps
            return Point(latents, point.step + 1, replaced=given)
        if UP in given and (point.place == MID or stop != MID):
            return replace(point, place=UP, features=self._given(point, UP))
        if point.place == MID:
            assert point.features is not None and point.carried is not None
            features = unet.proceed(point.features, point.carried)
            return replace(point, place=UP, features=features)
        time = point.latents.new_full((len(point.latents),), 1 - point.step / self.steps)
        carried = unet.carry(point.latents, time)
        features = self._given(point, MID) if MID in given else unet.begin(carried)
        return replace(point, place=MID, features=features, carried=carried)

    def _given(self, point: Point, place: str) -> Tensor:
        """Return the features that stand in for those of a place in this step."""
        return point.replaced[place].chunk(self.steps, 1)[point.step].contiguous()


def named(network: Network, steps: int, shown: Sequence[int]) -> list[Layer]:
    """List the layers of a network: places in all steps, places in single ones, the decoder's."""
    unet = network.unet
    fine, coarse = unet.widths
    sizes = {MID: (coarse, unet.side // 2), UP: (fine, unet.side)}
    layers = [Layer(f"{p}@{ALL}", steps * c, side, side) for p, (c, side) in sizes.items()]
    for step in shown:
        layers += [Layer(f"{p}@{step}", c, side, side) for p, (c, side) in sizes.items()]
    for number, channels in enumerate(network.decoder.channels):
        side = unet.side << number
        layers.append(Layer(f"decode.{side}", channels, side, side))
    return layers
