"""What pipelines are conditioned on: one of several classes, or a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.labels import ANY_TEXT, Label

from .text import Tokenizer


class Classes:
    """The classes of a DiT; sample i without a label is of one that its seed chooses.

    Args:
        count: How many there are. The network has one more, for no class.
        names: Their names by number, as a pipeline's ``id2label``; some have several, with commas.
    """

    def __init__(self, count: int, names: Mapping[str, Any]) -> None:
        self.count = count
        texts = [str(names.get(str(number), "")) for number in range(count)]
        short = [re.split(r",", text)[0].strip() for text in texts]
        unique = short if len(set(short)) == count else texts
        self.labels = tuple(unique) if all(unique) and len(set(unique)) == count else ()

    def draw(self, name: str, seeds: Sequence[int], label: Label | None) -> dict[str, Tensor]:
        """Return ``label`` ``[N]``."""
        if label is None:
            classes = [int(np.random.default_rng(seed).integers(self.count)) for seed in seeds]
        elif isinstance(label, int) and 0 <= label < self.count:
            classes = [label] * len(seeds)
        else:
            raise PandaError(f"{name} has classes 0 to {self.count - 1}, but {label!r} was given")
        return {"label": torch.tensor(classes)}


class Texts:
    """Any text; no label is the empty one."""

    labels = ANY_TEXT

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def draw(self, name: str, seeds: Sequence[int], label: Label | None) -> dict[str, Tensor]:
        """Return the text's tokens as ``text`` ``[N, L]``."""
        tokens = self.tokenizer("" if label is None else str(label), name)
        return {"text": tokens.expand(len(seeds), -1).clone()}
