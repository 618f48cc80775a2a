"""Which classes of diffusers and transformers are built: data alone, and no import of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DIFFUSERS, TRANSFORMERS = "diffusers", "transformers"

SAMPLERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "dpm": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "pndm": "PNDMScheduler",
    "flow": "FlowMatchEulerDiscreteScheduler",
}
"""The samplers that are offered: the name of the option, and diffusers' class."""

MODULES = {
    "UNet2DModel": "diffusers.models.unets.unet_2d",
    "UNet2DConditionModel": "diffusers.models.unets.unet_2d_condition",
    "DiTTransformer2DModel": "diffusers.models.transformers.dit_transformer_2d",
    "AutoencoderKL": "diffusers.models.autoencoders.autoencoder_kl",
    "VQModel": "diffusers.models.autoencoders.vq_model",
    "CLIPTextModel": "transformers.models.clip.modeling_clip",
    "CLIPTextConfig": "transformers.models.clip.configuration_clip",
    "CLIPTokenizer": "transformers.models.clip.tokenization_clip",
    "DDIMScheduler": "diffusers.schedulers.scheduling_ddim",
    "DDPMScheduler": "diffusers.schedulers.scheduling_ddpm",
    "EulerDiscreteScheduler": "diffusers.schedulers.scheduling_euler_discrete",
    "EulerAncestralDiscreteScheduler": "diffusers.schedulers.scheduling_euler_ancestral_discrete",
    "DPMSolverMultistepScheduler": "diffusers.schedulers.scheduling_dpmsolver_multistep",
    "UniPCMultistepScheduler": "diffusers.schedulers.scheduling_unipc_multistep",
    "PNDMScheduler": "diffusers.schedulers.scheduling_pndm",
    "FlowMatchEulerDiscreteScheduler": "diffusers.schedulers.scheduling_flow_match_euler_discrete",
}
"""Where each class is that may be built; the rest of both libraries is not imported."""


@dataclass(frozen=True)
class Kind:
    """A kind of pipeline.

    Attributes:
        classes: The names of the pipelines, or of the models, that it is of.
        parts: The classes that each part may be of; the first is the network.
        latent: Those of the classes whose networks make latents, for a decoder.
        guidance: The usual scale of classifier-free guidance; 0 where there is none.
        steps: Whether a sampler makes its images.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    latent: tuple[str, ...] = ()
    guidance: float = 0.0
    steps: bool = True


_DECODERS = ("AutoencoderKL", "VQModel")
_SCHEDULERS = tuple(SAMPLERS.values())

KINDS = {
    "diffusers UNet": Kind(
        ("DDIMPipeline", "DDPMPipeline", "LDMPipeline", "UNet2DModel"),
        {"unet": ("UNet2DModel",), "vae": _DECODERS, "vqvae": _DECODERS},
        latent=("LDMPipeline",),
    ),
    "diffusers decoder": Kind(_DECODERS, {"vae": _DECODERS}, steps=False),
    "diffusers DiT": Kind(
        ("DiTPipeline",),
        {
            "transformer": ("DiTTransformer2DModel", "Transformer2DModel"),
            "vae": ("AutoencoderKL",),
        },
        latent=("DiTPipeline",),
        guidance=4.0,
    ),
    "diffusers text to image": Kind(
        ("StableDiffusionPipeline",),
        {
            "unet": ("UNet2DConditionModel",),
            "vae": ("AutoencoderKL",),
            "text_encoder": ("CLIPTextModel",),
            "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
        },
        latent=("StableDiffusionPipeline",),
        guidance=7.5,
    ),
}
"""Every kind by the name of its architecture."""

ALIASES = {"Transformer2DModel": "DiTTransformer2DModel", "CLIPTokenizerFast": "CLIPTokenizer"}
"""Names that older files have for a class."""
