"""Build a generator from the folder of a pipeline, or of a model, of diffusers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pipelines import CONFIGS
from panda.errors import PandaError, PandaWarning

from .backend import Conditions, Pipeline
from .conditions import Classes, Texts
from .decoder import Decoder
from .denoiser import Denoiser
from .kinds import DIFFUSERS, TRANSFORMERS, Kind
from .library import build_model
from .samplers import Sampler, chosen_sampler
from .text import ClassCondition, TextCondition, Tokenizer, build_text_model

MOST_CLASSES = 1 << 16
"""The most classes that a config may have."""


@dataclass(frozen=True)
class Parts:
    """The parts of a folder.

    Attributes:
        kind: What pipelines of its kind are made of.
        checkpoint: The folder.
    """

    kind: Kind
    checkpoint: Checkpoint

    @property
    def pipeline(self) -> str:
        """The name of the pipeline's class, or of the model's."""
        return str(self.checkpoint.config["_class_name"])

    def class_of(self, part: str) -> str:
        """Return the name of a part's class; empty where there is no such part.

        Raises:
            PandaError: For a class that is not built.
        """
        if self._is_model:
            return self.pipeline if self.pipeline in self.kind.parts.get(part, ()) else ""
        given = self.checkpoint.config.get(part)
        if not given or given == [None, None]:
            return ""
        if not isinstance(given, list) or list(map(type, given)) != [str, str]:
            raise PandaError(
                f"model_index.json says {part}={given!r:.60}, expected a library and a class, such"
                ' as ["diffusers", "UNet2DModel"]'
            )
        library, name = given
        allowed = self.kind.parts.get(part)
        if allowed is not None and (
            library not in (DIFFUSERS, TRANSFORMERS) or name not in allowed
        ):
            raise PandaError(
                f"its {part} is a {name:.60} of {library:.60}, expected {' or '.join(allowed)}; no"
                " code but that of diffusers and transformers is run"
            )
        return str(name)

    def config_of(self, part: str) -> Mapping[str, Any]:
        """Return the config of a part; empty where there is none."""
        config = self.checkpoint.config
        found = config if self._is_model else config.get(CONFIGS, {}).get(part, {})
        return found if isinstance(found, Mapping) else {}

    def tensors_of(self, part: str) -> dict[str, Tensor]:
        """Return the weights of a part by the names in it."""
        prefix, tensors = f"{part}.", self.checkpoint.tensors
        if self._is_model:
            return dict(tensors)
        return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

    def model(self, part: str) -> Any:
        """Build a part that is a model of diffusers; None where there is none."""
        if not (name := self.class_of(part)):
            return None
        return build_model(name, self.config_of(part), self.tensors_of(part))

    def sampler(self, choice: str, steps: int) -> Sampler:
        """Return the sampler of an option."""
        if self._is_model:
            choice = "ddim" if choice == "own" else choice
            warnings.warn(
                f"{self.checkpoint.source or 'the folder'} is of a network alone, without the"
                f" scheduler that it was trained with: {choice} with diffusers' usual schedule is"
                " assumed",
                PandaWarning,
                stacklevel=2,
            )
            return chosen_sampler(choice, "", {}, steps, known=False)
        own, config = self.class_of("scheduler"), self.config_of("scheduler")
        if choice == "own" and self.pipeline == "DDIMPipeline":
            choice = "ddim"  # that pipeline takes the schedule of any, and samples like this
        return chosen_sampler(choice, own, config, steps)

    @property
    def _is_model(self) -> bool:
        return CONFIGS not in self.checkpoint.config


def from_checkpoint(
    kind: Kind, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, **options: Any
) -> Pipeline:
    """Build the generator.

    Args:
        kind: The kind of pipeline.
        checkpoint: Its folder.
        device: Where it runs.
        dtype: The type of its numbers.
        **options: Its options of loading: steps, scheduler and guidance, where the kind has them.

    Raises:
        PandaError: For classes that are not built, and for weights, configs or options that do not
            fit them.
    """
    parts = Parts(kind, checkpoint)
    unknown = [p for p in checkpoint.config.get(CONFIGS, {}) if p not in (*kind.parts, "scheduler")]
    if unknown:
        raise PandaError(f"{parts.pipeline} has a part {unknown[0]!r}, which is not known here")
    vae = parts.model("vae") or parts.model("vqvae")
    if vae is None and parts.pipeline in kind.latent:
        raise PandaError(f"{parts.pipeline} has no vae, which it needs")
    decoder = None if vae is None else Decoder(vae)
    rest: dict[str, Any] = {"device": device, "dtype": dtype}
    if not kind.steps:
        assert decoder is not None
        return Pipeline(decoder, decoder.places("", ""), decoder.latent, **rest)
    sampler = parts.sampler(options["scheduler"], options["steps"])
    guidance = float(options.get("guidance", 1.0))
    conditions, condition = _conditions(parts, guided=guidance > 1)
    denoiser = Denoiser(_network(parts), sampler, decoder, condition, guidance)
    return Pipeline(
        denoiser,
        denoiser.places(),
        denoiser.latent,
        conditions=conditions,
        fixed_noise=sampler.draws,
        **rest,
    )


def _conditions(parts: Parts, *, guided: bool) -> tuple[Conditions | None, nn.Module | None]:
    """Return what the pipeline is conditioned on, and what its network is given for that."""
    if "transformer" in parts.kind.parts:
        if not parts.class_of("transformer"):
            raise PandaError(f"{parts.pipeline} has no transformer, which it needs")
        count = parts.config_of("transformer").get("num_embeds_ada_norm")
        if not isinstance(count, int) or not 1 <= count <= MOST_CLASSES:
            raise PandaError(f"its transformer says num_embeds_ada_norm={count!r:.40}, no classes")
        names = parts.checkpoint.config.get("id2label")
        classes = Classes(count, names if isinstance(names, Mapping) else {})
        return classes, ClassCondition(count, guided)
    if "text_encoder" in parts.kind.parts:
        for part in ("tokenizer", "text_encoder"):
            if not parts.class_of(part):
                raise PandaError(f"{parts.pipeline} has no {part}, which it needs")
        encoder = build_text_model(
            parts.config_of("text_encoder"), parts.tensors_of("text_encoder")
        )
        known = encoder.get_input_embeddings().num_embeddings  # type: ignore[operator]
        tokenizer = Tokenizer(parts.config_of("tokenizer"), known)
        return Texts(tokenizer), TextCondition(encoder, tokenizer("", parts.pipeline), guided)
    return None, None


def _network(parts: Parts) -> nn.Module:
    """Build the network that denoises."""
    name = next(iter(parts.kind.parts))
    network = parts.model(name)
    if network is None:
        raise PandaError(f"{parts.pipeline} has no {name}, which it needs")
    assert isinstance(network, nn.Module)
    return network
