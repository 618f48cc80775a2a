"""Loads the tensors of a file into a network: every name, shape and value is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from panda.errors import PandaError

_SHOWN = 4

COUNTER = "num_batches_tracked"
"""What batch normalization counts in training, and nothing uses later: files have it or not."""

ALIGNMENT = 64
"""Bytes: where torch's own tensors begin in a CPU's memory."""


def shape_of(tensors: Mapping[str, torch.Tensor], name: str, *, dims: int) -> tuple[int, ...]:
    """Return the shape of a tensor from which the size of a network is inferred.

    Raises:
        PandaError: The tensor is missing, empty, or has another number of dimensions.
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
    """Load the tensors of a checkpoint into a network, copying none but those that lie askew.

    The network is in evaluation mode afterwards, without gradients. Counters of batch
    normalization may be missing or left over, and become 0.

    Args:
        network: The network, on any device, including ``meta``.
        tensors: The tensors by the names in the network.
        architecture: Name of the network, for the error.
        spelled: Returns the name in the file for a name in the network, for the error.
        surplus: Names in the file for which the network has none.

    Raises:
        PandaError: Tensors are missing, not part of the network, of another shape, or not finite;
            the sentence names them.
    """
    state = network.state_dict()
    counters = {name: torch.zeros_like(state[name], device="cpu") for name in _counters(state)}
    left_over = _counters([*tensors, *surplus])
    tensors = {name: tensor for name, tensor in tensors.items() if name not in left_over}
    surplus = [name for name in surplus if name not in left_over]
    expected = {name: list(t.shape) for name, t in state.items() if name not in counters}
    given = {name: list(tensor.shape) for name, tensor in tensors.items()}
    problems = [
        _listed("missing", (spelled(name) for name in expected if name not in given)),
        _listed("not part of it", [*surplus, *(name for name in given if name not in expected)]),
        _listed(
            "of another shape",
            (
                f"{spelled(name)} {given[name]} instead of {shape}"
                for name, shape in expected.items()
                if given.get(name, shape) != shape
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
    network.load_state_dict(
        {name: _aligned(tensor) for name, tensor in tensors.items()} | counters, assign=True
    )
    network.eval().requires_grad_(False)


def _aligned(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that lies in memory as torch's own do, whatever was allocated before.

    Libraries of linear algebra round by how their input lies in memory, and what is read from a
    file lies anywhere.
    """
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def _counters(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.rpartition(".")[2] == COUNTER}


def _is_finite(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and bool(tensor.isfinite().all())


def _listed(what: str, items: Iterable[str]) -> str:
    """Return ``"2 missing (a, b)"``, or an empty text where there are none."""
    names = list(dict.fromkeys(items))
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more})"
