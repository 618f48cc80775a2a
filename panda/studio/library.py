"""What all sessions of a studio share: the loaded generators, factors, and the face parser."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.entries import find_entries
from panda.generators.identity import why_lost
from panda.generators.registry import cards, create_generator, find_card, full_name, is_file
from panda.generators.shared import Shared, share
from panda.metrics import face_mesh
from panda.metrics.parsing import WEIGHTS, FaceParser


class Library:
    """Generators by name, each loaded once, when it is first needed. Nothing is ever downloaded.

    Args:
        generators: Names, patterns and files; by default, all generators whose weights are on this
            machine.
        factors: Folders of factors to offer beside those that are fitted and cached.
        device: The torch device for all generators.

    Attributes:
        names: The names of the generators on offer.
        factors: Factors by folder.

    Raises:
        PandaError: If a generator or its weights, or a folder of factors, is missing.
    """

    def __init__(
        self,
        generators: Sequence[str] = (),
        factors: Sequence[Path] = (),
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.factors = {str(folder): Factors.load(folder) for folder in factors}
        names = [loaded.generator for loaded in self.factors.values()]
        for name in names:
            if reason := why_lost(name):
                raise PandaError(f"there are factors of {name}, {reason}")
        if generators:
            names += [entry.reference for entry in find_entries(generators)]
        else:
            names += sorted(filter(is_available, cards()), key=_size)
        self.names = list(dict.fromkeys(map(full_name, names)))
        for name in self.names:
            if not is_available(name):
                raise PandaError(f"the weights of {name} are not here; run 'panda fetch {name}'")
        if not self.names:
            raise PandaError("no generator has its weights on this machine; see 'panda list'")
        self._loaded: dict[str, Shared] = {}
        self._locks = {name: threading.Lock() for name in self.names}
        self._parser: FaceParser | None = None
        self._parser_lock = threading.Lock()

    def generator(self, name: str) -> Shared:
        """Return the generator of that name, loaded.

        Raises:
            PandaError: If the studio does not offer it, or it cannot be loaded.
        """
        if name not in self._locks:
            raise PandaError(f"{name!r:.80} is not among the generators of this studio")
        with self._locks[name]:
            if name not in self._loaded:
                self._loaded[name] = share(create_generator(name, device=self.device))
            return self._loaded[name]

    @property
    def has_parser(self) -> bool:
        """Whether the weights of the face parser are on this machine."""
        return WEIGHTS.cached

    @property
    def has_face_mesh(self) -> bool:
        """Whether the weights by which photographs are aligned are on this machine."""
        return face_mesh.WEIGHTS.cached

    def parse(self, images: Tensor, size: int) -> Tensor:
        """Return class maps of faces, see `FaceParser`."""
        with self._parser_lock, torch.inference_mode():
            if self._parser is None:
                self._parser = FaceParser(self.device)
            return self._parser(images, size)


def is_available(name: str) -> bool:
    """Return whether a generator can be loaded without a download."""
    if is_file(name):
        return True
    weights = find_card(name).weights
    return weights is None or weights.cached


def _size(name: str) -> tuple[int, str]:
    """Return a sort key: small generators first."""
    return math.prod(cards()[name].size), name
