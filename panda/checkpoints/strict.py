"""Tensors of a file into a network: every name, every shape, every value checked, one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from panda.errors import PandaError

_SHOWN = 4


def shape_of(tensors: Mapping[str, torch.Tensor], name: str, *, dims: int) -> tuple[int, ...]:
    """Return the shape of a tensor from which a network's size is inferred.

    Raises `PandaError` where the tensor is missing, empty, or has another number of dimensions.
    """
    if name not in tensors:
        raise PandaError(f"the checkpoint has no tensor {name!r}")
    shape = tuple(tensors[name].shape)
    if len(shape) != dims or 0 in shape:
        raise PandaError(
            f"tensor {name!r} of the checkpoint has shape {list(shape)}, expected {dims} dimensions"
            " and none empty"
        )
    return shape


def load_strictly(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    architecture: str,
    *,
    spelled: Callable[[str], str] = str,
    surplus: Iterable[str] = (),
) -> None:
    """Give ``network`` (built on any device, also meta) the tensors of a checkpoint.

    The tensors become the network's own, without a copy. Where the file has other names,
    ``spelled`` gives its name of a tensor, and ``surplus`` are those that the network has no name
    for. Raises `PandaError` that names tensors which are missing, not part of the network, of
    another shape, or not finite numbers.
    """
    wanted = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    problems = [
        _listed("missing", (spelled(name) for name in wanted if name not in found)),
        _listed("not part of it", [*surplus, *(name for name in found if name not in wanted)]),
        _listed(
            "of another shape",
            (
                f"{spelled(name)} {found[name]} instead of {shape}"
                for name, shape in wanted.items()
                if found.get(name, shape) != shape
            ),
        ),
    ]
    if not any(problems):
        problems = [
            _listed(
                "not finite floating-point numbers",
                (spelled(name) for name, tensor in tensors.items() if not _is_finite(tensor)),
            )
        ]
    if any(problems):
        raise PandaError(
            f"the tensors are not those of this {architecture}: "
            + "; ".join(filter(None, problems))
        )
    network.load_state_dict(dict(tensors), assign=True)
    network.eval().requires_grad_(False)


def _is_finite(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and bool(tensor.isfinite().all())


def _listed(what: str, items: Iterable[str]) -> str:
    names = list(dict.fromkeys(items))
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more})"
