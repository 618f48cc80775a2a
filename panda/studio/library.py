"""What all sessions of a studio share: the generators that are loaded, and the face parser."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.entries import find_entries
from panda.generators.registry import cards, create_generator, is_file
from panda.generators.shared import Shared, share
from panda.metrics.parsing import WEIGHTS, FaceParser


class Library:
    """Generators by name, each loaded once when it is first asked for.

    ``generators`` are names, patterns and files; without any, all whose weights are here. None is
    ever fetched. ``factors`` are folders of factors to offer beside those that the cache keeps.
    Raises `PandaError` where one of either is not there.
    """

    def __init__(
        self,
        generators: Sequence[str] = (),
        factors: Sequence[Path] = (),
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.given = {str(folder): Factors.load(folder) for folder in factors}
        wanted = [entry.generator for entry in find_entries(generators)] if generators else []
        wanted = list(dict.fromkeys([*(one.generator for one in self.given.values()), *wanted]))
        self.names = sorted(filter(is_here, cards()), key=_size) if not generators else []
        self.names = list(dict.fromkeys([*wanted, *self.names]))
        for name in self.names:
            if not is_here(name):
                raise PandaError(f"the weights of {name} are not here; run 'panda fetch {name}'")
        if not self.names:
            raise PandaError("there is no generator whose weights are here; see 'panda list'")
        self._loaded: dict[str, Shared] = {}
        self._locks = {name: threading.Lock() for name in self.names}
        self._parser: FaceParser | None = None
        self._parsing = threading.Lock()

    def generator(self, name: str) -> Shared:
        """The generator of that name; raises `PandaError` where it is not offered or fails."""
        if name not in self._locks:
            raise PandaError(f"{name!r:.80} is not among the generators of this studio")
        with self._locks[name]:
            if name not in self._loaded:
                self._loaded[name] = share(create_generator(name, device=self.device))
            return self._loaded[name]

    @property
    def parses(self) -> bool:
        """Whether the face parser's weights are here."""
        return WEIGHTS.cached

    def parse(self, images: Tensor, size: int) -> Tensor:
        """Class maps of faces, see `FaceParser`."""
        with self._parsing, torch.inference_mode():
            if self._parser is None:
                self._parser = FaceParser(self.device)
            return self._parser(images, size)


def is_here(name: str) -> bool:
    """Whether a generator loads without fetching anything."""
    if is_file(name):
        return True
    weights = cards()[name].weights
    return weights is None or weights.cached


def _size(name: str) -> tuple[int, str]:
    return cards()[name].resolution, name
