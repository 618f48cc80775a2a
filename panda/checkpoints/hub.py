"""Repositories on Hugging Face, ``hf:OWNER/NAME``: a folder in the cache of huggingface_hub."""

from __future__ import annotations

import re

from panda.errors import PandaError, describe_error

PREFIX = "hf:"

INSTALL = "pip install 'panda-parts[diffusers]'"

_REPOSITORY = re.compile(r"hf:([\w.-]{1,96}/[\w.-]{1,96})(?=[?@]|$)")

WANTED = (
    *("*.json", "*/*.json", "*/merges.txt"),
    *("model*.safetensors", "diffusion_pytorch_model*.safetensors"),
    *("*/model*.safetensors", "*/diffusion_pytorch_model*.safetensors"),
)
"""What is fetched of a repository: configs, tokenizers, and weights that are plain numbers."""

UNWANTED = (
    *("safety_checker/*", "feature_extractor/*", "image_encoder/*"),
    *("*.fp16.*", "*.non_ema.*", "*.bf16.*", "*.onnx*", "*flax*"),
)
"""What is left: parts that make no images, and the same weights in other types."""


def fetched(text: str) -> str:
    """Return a text with the folder of a repository in place of ``hf:OWNER/NAME`` before it.

    What follows, options and a label, stays as it is, and so does a text without that prefix. The
    folder's name has the revision, so that results know it again. Without a connection it is what
    was fetched before.

    Raises:
        PandaError: Where it is no name of a repository, or it cannot be fetched.
    """
    if not text.startswith(PREFIX):
        return text
    match = _REPOSITORY.match(text)
    if not match:
        raise PandaError(f"{text!r:.80} is no repository, such as hf:google/ddpm-cat-256")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise PandaError(f"{match[0]} needs huggingface_hub: {INSTALL}") from error
    try:
        folder = snapshot_download(
            match[1], allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)
        )
    except Exception as error:  # of a network, a server or a cache in any state
        raise PandaError(
            f"{match[0]} cannot be fetched ({describe_error(error)}), and is not in the cache; with"
            " a connection try again, or give the path of its folder"
        ) from error
    return str(folder) + text[match.end() :]
