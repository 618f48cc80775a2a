"""Tiny pipelines of diffusers with random weights, as `save_pretrained` writes them."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

SIDE, LENGTH, CLASSES = 8, 32, 1000
"""Positions of latents, tokens of a text, and classes: DiTPipeline has 1000, come what may."""

WIDTHS = {"block_out_channels": (8, 16), "norm_num_groups": 4}


@cache
def library() -> Any:
    """diffusers, whose import says what is missing for other pipelines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        return diffusers


def made(name: str, **config: Any) -> Any:
    """A model with random weights, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = getattr(library(), name)(**config)
        for path, parameter in model.named_parameters():
            if parameter.ndim < 2 or not parameter.any():  # DiT's blocks do nothing at first
                scale = parameter.ndim < 2 and path.endswith("weight")
                torch.nn.init.normal_(parameter, float(scale), 0.1)
    return model.eval()


def scheduler(name: str, **config: Any) -> Any:
    return getattr(library(), name)(**config)


def unet(channels: int = 3) -> Any:
    return made(
        "UNet2DModel",
        sample_size=SIDE,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        **WIDTHS,
    )


def decoder(name: str = "AutoencoderKL", **config: Any) -> Any:
    return made(
        name,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=2 * SIDE,
        **{"latent_channels": 4, **WIDTHS, **config},
    )


def transformer() -> Any:
    return made(
        "DiTTransformer2DModel",
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=SIDE,
        num_embeds_ada_norm=CLASSES,
    )


def text_unet() -> Any:
    return made(
        "UNet2DConditionModel",
        sample_size=SIDE,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **WIDTHS,
    )


def clip() -> tuple[Any, Any]:
    """CLIP's text model and a tokenizer of single letters."""
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{each}</w>" for each in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = CLIPTextModel(config).eval()
        torch.nn.init.normal_(model.get_input_embeddings().weight)
    return model, CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=LENGTH)


def text_to_image(**config: Any) -> Any:
    model, tokenizer = clip()
    return library().StableDiffusionPipeline(
        vae=decoder(),
        text_encoder=model,
        tokenizer=tokenizer,
        unet=text_unet(),
        scheduler=scheduler("PNDMScheduler", skip_prk_steps=True, steps_offset=1, **config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def pipeline(name: str) -> Any:
    """One of the pipelines that tests open."""
    unclipped = {"clip_sample": False}
    match name:
        case "ddim":
            return library().DDIMPipeline(unet(), scheduler("DDIMScheduler"))
        case "ddpm":
            return library().DDPMPipeline(unet(), scheduler("DDPMScheduler"))
        case "flow":
            return library().DDPMPipeline(unet(1), scheduler("FlowMatchEulerDiscreteScheduler"))
        case "latent":
            vq = decoder("VQModel", latent_channels=3, num_vq_embeddings=64)
            torch.nn.init.normal_(vq.quantize.embedding.weight)
            return library().LDMPipeline(
                vqvae=vq, unet=unet(), scheduler=scheduler("DDIMScheduler", **unclipped)
            )
        case "dit":
            names = {k: f"thing {k}, other" for k in range(CLASSES)}
            ddim = scheduler("DDIMScheduler", **unclipped)
            return library().DiTPipeline(transformer(), decoder(), ddim, names)
        case "text":
            return text_to_image()
    raise ValueError(name)


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder
