"""Build a DCGAN from a state dict of one sequence of modules: ``main.0.weight``, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError

from ..common.loading import colors
from ..common.options import count, one_of, read_options, said
from .backend import DCGAN
from .network import ACTIVATIONS, Network, Step

OPTIONS = (
    count("label_count", 0, sets="classes"),
    one_of("activation", *ACTIVATIONS, sets="activation"),
)
"""What no tensor shows; the first is the number of one-hot labels that are given beside z."""

_NAME = re.compile(r"(.*?)(\d{1,2})\.(weight|bias|running_mean|running_var)")


def recognizes(checkpoint: Checkpoint) -> bool:
    """Return whether the tensors are transposed convolutions of 4 x 4 that end in an image."""
    tensors = _numbered(checkpoint.tensors)
    convs = _convs(tensors)
    shapes = [tensors[f"{number}.weight"].shape for number in convs]
    chained = all(a[1] == b[0] for a, b in pairwise(shapes))
    return len(convs) > 2 and chained and all(shape[2:] == (4, 4) for shape in shapes)


def from_checkpoint(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> DCGAN:
    """Build the generator on a device and in a dtype.

    Raises:
        PandaError: Tensors are missing, unexpected or misshapen, or the file or the user names
            more labels than the network reads numbers.
    """
    tensors = _numbered(checkpoint.tensors)
    convs = _convs(tensors)
    steps = [_step(tensors, conv, convs[number + 1 :]) for number, conv in enumerate(convs)]
    colors("DCGAN", [steps[-1].channels[1]])
    options = read_options("DCGAN", checkpoint, OPTIONS)
    inputs, classes = steps[0].channels[0], options["classes"]
    if classes >= inputs:
        raise PandaError(
            f"{said(checkpoint, 'label_count', classes)}, but z and label are {inputs} numbers"
        )
    with torch.device("meta"):
        network = Network(steps, options["activation"])
    load_strictly(network, tensors, "DCGAN")
    return DCGAN(network, classes, device, dtype)


def _step(tensors: Mapping[str, Tensor], conv: int, later: Sequence[int]) -> Step:
    """Return a convolution with the batch norm before the next one; the last has none."""
    channels = tensors[f"{conv}.weight"].shape
    norm = None
    if later:
        between = range(conv + 1, later[0])
        norm = next((n for n in between if f"{n}.running_mean" in tensors), conv + 1)
    return Step(conv, norm, (channels[0], channels[1]), f"{conv}.bias" in tensors)


def _numbered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefix of their sequence; none where there are several."""
    weights = [name for name in tensors if not name.endswith(".num_batches_tracked")]
    matches = {name: _NAME.fullmatch(name) for name in weights}
    if len({match[1] for match in matches.values() if match}) != 1 or None in matches.values():
        return {}
    return {f"{m[2]}.{m[3]}": tensors[name] for name, m in matches.items() if m}


def _convs(tensors: Mapping[str, Tensor]) -> list[int]:
    """Return the numbers of the convolutions, in order."""
    return sorted(int(n.split(".")[0]) for n, t in tensors.items() if t.dim() == 4)
