"""A network that denoises in steps, with what it is conditioned on and what decodes its latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from panda.generators.places import Place
from panda.generators.steps import Steps

from .decoder import Decoder
from .library import sides_of
from .samplers import Sampler

State = dict[str, Any]
"""``x`` ``[N, C, H, W]``, the sampler's ``memory``, and what the network is ``given`` each time."""


class Denoiser(Steps):
    """A pipeline in steps. Guided networks see 2N rows, the unconditional ones first.

    Args:
        network: A UNet or a transformer of diffusers.
        sampler: What takes the steps.
        decoder: What makes images of latents; None where the network makes images itself.
        condition: Gives what the network sees beside ``x``, of conditions by name; None for none.
        guidance: The scale of classifier-free guidance; 1 is none.
    """

    def __init__(
        self,
        network: Any,
        sampler: Sampler,
        decoder: Decoder | None = None,
        condition: nn.Module | None = None,
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.sampler, self.vae = network, sampler, decoder
        self.condition, self.guidance = condition, guidance
        self.count = len(sampler.timesteps)
        pixels = 1 if decoder is None else decoder.pixels
        sides = sides_of(network.config, type(network).__name__, pixels)
        self.latent = int(network.config.in_channels), *sides

    @property
    def guided(self) -> bool:
        """Whether the network runs with and without the condition."""
        return self.guidance > 1

    def start(self, z: Tensor, **conditions: Tensor) -> State:
        """Return the noise ``z`` ``[N, C, H, W]`` at the sampler's scale, and the conditions."""
        return {
            "x": z * self.sampler.noise_scale,
            "memory": self.sampler.begin(),
            "given": self.condition(**conditions) if self.condition else {},
        }

    def step(self, k: int, state: State) -> State:
        """See `Steps.step`."""
        x, given = state["x"], state["given"]
        seen = self.sampler.scaled(k, torch.cat([x, x]) if self.guided else x)
        time = self.sampler.timesteps[k].to(x.device).expand(len(seen))
        output: Tensor = self.network(seen, timestep=time, **given, return_dict=False)[0]
        # Those of DiT predict a variance as well, behind the noise.
        output = output[:, : x.shape[1]]
        if self.guided:
            without, with_it = output.chunk(2)
            output = without + self.guidance * (with_it - without)
        x, memory = self.sampler.step(k, output, x, state["memory"])
        return {"x": x, "memory": memory, "given": given}

    def finish(self, state: State) -> Tensor:
        """Return images."""
        x: Tensor = state["x"]
        return x if self.vae is None else self.vae(x)

    def places(self) -> Mapping[str, Place]:
        """Return where layers are, by name, in the network and then in the decoder."""
        decoder = {} if self.vae is None else self.vae.places("vae.", "vae.")
        return {**self._network_places(), **decoder}

    def _network_places(self) -> dict[str, Place]:
        half = "cond" if self.guided else None
        if hasattr(self.network, "transformer_blocks"):
            _, height, width = self.latent
            patch = self.network.config.patch_size
            grid = height // patch, width // patch
            return {
                f"block.{k}": Place(f"network.transformer_blocks.{k}", grid=grid, half=half)
                for k in range(len(self.network.transformer_blocks))
            }
        places = {
            f"down.{k}": Place(f"network.down_blocks.{k}", pick=0, half=half)
            for k in range(len(self.network.down_blocks))
        }
        if self.network.mid_block is not None:
            places["mid"] = Place("network.mid_block", half=half)
        ups = range(len(self.network.up_blocks))
        return places | {f"up.{k}": Place(f"network.up_blocks.{k}", half=half) for k in ups}
