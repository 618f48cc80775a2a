"""Several processes under torchrun: each works on its share, sums meet, the first one writes.

Without torchrun there is one process, and everything here does nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from panda.errors import PandaError

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others: far more than the ends of equal shares lie apart."""


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def together(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did, and yield the device of this one.

    They speak NCCL where ``device`` is ``cuda`` (each takes its own) and gloo elsewhere. Raises
    `PandaError` where they do not meet, or are told to end because one was lost.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    before = signal.signal(signal.SIGTERM, _told_to_end)
    try:
        _meet(lambda: distributed.init_process_group(backend, timeout=TIMEOUT))
        yield device
    finally:
        signal.signal(signal.SIGTERM, before)
        if distributed.is_initialized():
            distributed.destroy_process_group()


def add(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sums of each process's tensors, on all of them. They are of one type and device."""
    if count() == 1:
        return list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors]).to(_device())
    _meet(lambda: distributed.all_reduce(flat))
    pieces = torch.split(flat.to(tensors[0].device), [tensor.numel() for tensor in tensors])
    # Copies, since libraries of linear algebra round by how their input lies in memory.
    return [piece.clone().view_as(like) for piece, like in zip(pieces, tensors, strict=True)]


class Sum:
    """A sum of float64 tensors of all processes that comes out the same in any order.

    What each addition rounds away is kept in a second tensor (Knuth's two-sum), so only the end
    result is rounded. Solvers go many steps from it, and their way depends on the last bit.
    """

    def __init__(self, like: Tensor) -> None:
        self._high = torch.zeros_like(like, dtype=torch.float64)
        self._low = torch.zeros_like(self._high)
        # Fresh memory for every addition would take several times as long.
        self._scratch = [torch.empty_like(self._high) for _ in range(4)]

    def add(self, term: Tensor) -> None:
        """Add one more."""
        exact, total, shift, lost = self._scratch
        exact.copy_(term)
        torch.add(self._high, exact, out=total)
        torch.sub(total, self._high, out=shift)
        self._low += torch.sub(exact, shift, out=lost)
        torch.sub(total, shift, out=lost)
        self._low += torch.sub(self._high, lost, out=lost)
        self._high, self._scratch[1] = total, self._high

    def result(self) -> Tensor:
        """The sum over all processes, on all of them."""
        if count() == 1:
            return self._high + self._low
        mine = torch.stack([self._high, self._low]).to(_device())
        everyone = [torch.empty_like(mine) for _ in range(count())]
        _meet(lambda: distributed.all_gather(everyone, mine))
        whole = Sum(self._high)
        for high, low in everyone:
            whole.add(high.to(self._high.device))
            whole.add(low.to(self._high.device))
        return whole._high + whole._low


def from_first(tensor: Tensor) -> Tensor:
    """The first process's tensor, contiguous, on all of them; each gives one of that shape."""
    if count() == 1:
        return tensor.contiguous()
    sent = tensor.contiguous().to(_device())
    _meet(lambda: distributed.broadcast(sent, 0))
    return sent.to(tensor.device)


def all_agree(here: bool) -> bool:
    """Whether it is true on every process."""
    return int(add([torch.tensor([int(here)])])[0]) == count()


def _device() -> torch.device:
    """Where tensors must lie to be sent."""
    backend = distributed.get_backend()
    return torch.device("cuda" if backend == "nccl" else "cpu")


def _meet(step: Callable[[], object]) -> None:
    try:
        step()
    except RuntimeError as error:
        raise PandaError(
            f"process {os.environ.get('RANK')} lost another one, or waited too long for it"
            f" ({str(error).splitlines()[0]}); run the same command again to go on"
        ) from error


def _told_to_end(*_: object) -> None:
    raise PandaError(
        f"process {os.environ.get('RANK')} was told to end, as torchrun does when another one was"
        " lost; run the same command again to go on"
    )
