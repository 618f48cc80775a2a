"""Texts as CLIP reads them: tokens, and what its text model makes of them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from panda.checkpoints.pipelines import FILES
from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError, PandaWarning, describe_error

from .library import built, check_size, imported

LONGEST = 1024
"""The most tokens of a text; CLIP has 77."""


class Tokenizer:
    """A tokenizer of transformers; of its folder's files, none is code.

    Args:
        config: The files as text, as `panda.checkpoints.pipelines` reads them.
        known: How many tokens the text model knows.

    Raises:
        PandaError: They are not those of a tokenizer.
    """

    def __init__(self, config: Mapping[str, Any], known: int) -> None:
        self.known, make = known, imported("CLIPTokenizer")
        try:
            with tempfile.TemporaryDirectory() as folder:
                for name, text in config.get(FILES, {}).items():
                    (Path(folder) / Path(name).name).write_text(text, encoding="utf-8")
                self._tokenizer = make.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # of any files at all
            raise PandaError(f"its tokenizer cannot be read: {describe_error(error)}") from error
        self.length = self._tokenizer.model_max_length
        if type(self.length) is not int or not 2 <= self.length <= LONGEST:
            raise PandaError(
                f"its tokenizer says model_max_length={self.length!r:.40}, expected 2 to {LONGEST}"
                " tokens"
            )

    def __call__(self, text: str, name: str) -> Tensor:
        """Return the tokens ``[1, L]`` of a text, padded; warn where its end is cut off.

        Args:
            text: The text.
            name: The generator's name, for the warning.

        Raises:
            PandaError: For text that is not Unicode, or has tokens that the text model lacks.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise PandaError(f"{name} takes any text, but {text!r:.60} is not Unicode") from error
        whole = self._tokenizer(text, verbose=False).input_ids
        if len(whole) > self.length:
            kept = self._tokenizer.decode(whole[: self.length], skip_special_tokens=True)
            warnings.warn(
                f"{name} reads {self.length} tokens, of which this text has {len(whole)}; it ends"
                f" with {kept[-40:]!r}",
                PandaWarning,
                stacklevel=2,
            )
        padded = self._tokenizer(
            text, padding="max_length", max_length=self.length, truncation=True
        ).input_ids
        if max(padded) >= self.known:
            raise PandaError(
                f"{name} has a tokenizer of another text_encoder: {text!r:.60} has token"
                f" {max(padded)}, but the text_encoder knows {self.known}"
            )
        return torch.tensor([padded])


class TextCondition(nn.Module):
    """CLIP's text model, which gives the network a sequence for each text.

    Args:
        encoder: The text model.
        empty: The tokens ``[1, L]`` of no text.
        guided: Whether the network wants both, no text first.
    """

    empty: Tensor

    def __init__(self, encoder: nn.Module, empty: Tensor, guided: bool) -> None:
        super().__init__()
        self.encoder, self.guided = encoder, guided
        self.register_buffer("empty", empty, persistent=False)

    def forward(self, text: Tensor) -> dict[str, Tensor]:
        """Return what the network is given for tokens ``[N, L]``."""
        rows = torch.cat([self.empty.expand(len(text), -1), text]) if self.guided else text
        return {"encoder_hidden_states": self.encoder(rows)[0]}


class ClassCondition(nn.Module):
    """The number of the class, and that of no class.

    Args:
        empty: The number of no class.
        guided: Whether the network wants both, no class first.
    """

    def __init__(self, empty: int, guided: bool) -> None:
        super().__init__()
        self.empty, self.guided = empty, guided

    def forward(self, label: Tensor) -> dict[str, Tensor]:
        """Return what the network is given for classes ``[N]``."""
        empty = torch.full_like(label, self.empty)
        return {"class_labels": torch.cat([empty, label]) if self.guided else label}


def build_text_model(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build CLIP's text model, whose parameters are the tensors themselves.

    Raises:
        PandaError: The weights are not those of this config, or it asks for too much.
    """
    check_size(config, "CLIPTextModel")
    known = {key: value for key, value in config.items() if key in _CLIP}
    make, configure = imported("CLIPTextModel"), imported("CLIPTextConfig")
    model = built(lambda: make(configure(**known)), {}, "CLIPTextModel")
    # Earlier versions have all of it below text_model, and positions that are but counted.
    ours = model.state_dict().keys()
    prefix = "" if any(name.startswith("text_model.") for name in ours) else "text_model."
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    positions = "embeddings.position_ids"
    named = {n: t for n, t in named.items() if n in ours or not n.endswith(positions)}
    load_strictly(model, named, "CLIPTextModel")
    return model


_CLIP = {
    *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers"),
    *("num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps"),
    *("attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id"),
}
"""What of a config the text model depends on; the rest is about saving and training."""
