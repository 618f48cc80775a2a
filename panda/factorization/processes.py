"""Several processes under torchrun: each samples its share, sums are added up, rank 0 writes.

Without torchrun there is one process, and everything in this module does nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from panda.errors import MachineError

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others: far longer than equal shares differ in time."""


def count() -> int:
    """Return the number of processes (torch.distributed's world size)."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return this process's rank, from 0; rank 0 is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did, and yield this one's device.

    Args:
        device: ``"cuda"`` gives each process a GPU and NCCL to communicate; every other device
            uses gloo.

    Raises:
        MachineError: Where the processes do not find each other, or torchrun ends this one because
            another was lost.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        _communicate(lambda: distributed.init_process_group(backend, timeout=TIMEOUT))
        yield device
    finally:
        signal.signal(signal.SIGTERM, before)
        if distributed.is_initialized():
            distributed.destroy_process_group()


def all_reduce(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the sums of each process's tensors, on all processes.

    Args:
        tensors: Of the same shapes on every process, and all of one type and device.
    """
    if count() == 1:
        return list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors]).to(_device())
    _communicate(lambda: distributed.all_reduce(flat))
    pieces = torch.split(flat.to(tensors[0].device), [tensor.numel() for tensor in tensors])
    # Copies, since libraries of linear algebra round by how their input lies in memory.
    return [piece.clone().view_as(like) for piece, like in zip(pieces, tensors, strict=True)]


class Sum:
    """A sum of float64 tensors of all processes that comes out the same in any order.

    A second tensor holds what each addition rounds away (Knuth's two-sum), so only the end result
    is rounded. Solvers take many steps from it, and their path depends on the last bit.
    """

    def __init__(self, like: Tensor) -> None:
        self._high = torch.zeros_like(like, dtype=torch.float64)
        self._low = torch.zeros_like(self._high)
        # Fresh memory for every addition would take several times as long.
        self._scratch = [torch.empty_like(self._high) for _ in range(4)]

    def add(self, term: Tensor) -> None:
        """Add a term."""
        exact, total, shift, lost = self._scratch
        exact.copy_(term)
        torch.add(self._high, exact, out=total)
        torch.sub(total, self._high, out=shift)
        self._low += torch.sub(exact, shift, out=lost)
        torch.sub(total, shift, out=lost)
        self._low += torch.sub(self._high, lost, out=lost)
        self._high, self._scratch[1] = total, self._high

    def result(self) -> Tensor:
        """Return the sum over all processes, on all of them."""
        if count() == 1:
            return self._high + self._low
        local = torch.stack([self._high, self._low]).to(_device())
        gathered = [torch.empty_like(local) for _ in range(count())]
        _communicate(lambda: distributed.all_gather(gathered, local))
        total = Sum(self._high)
        for high, low in gathered:
            total.add(high.to(self._high.device))
            total.add(low.to(self._high.device))
        return total._high + total._low


def broadcast(tensor: Tensor) -> Tensor:
    """Return rank 0's tensor, contiguous, on all processes; all pass one of the same shape."""
    if count() == 1:
        return tensor.contiguous()
    sent = tensor.contiguous().to(_device())
    _communicate(lambda: distributed.broadcast(sent, 0))
    return sent.to(tensor.device)


def all_agree(condition: bool) -> bool:
    """Return whether the condition is true on every process; all of them wait for the answer."""
    return int(all_reduce([torch.tensor([int(condition)])])[0]) == count()


def _device() -> torch.device:
    """Return where tensors must lie to be sent."""
    backend = distributed.get_backend()
    return torch.device("cuda" if backend == "nccl" else "cpu")


def _communicate(step: Callable[[], object]) -> None:
    """Run a collective operation; a lost process is one sentence."""
    try:
        step()
    except RuntimeError as error:
        raise MachineError(
            f"process {os.environ.get('RANK')} lost another process, or waited too long for it"
            f" ({str(error).splitlines()[0]}); run the same command again to resume"
        ) from error


def _raise_terminated(*_: object) -> None:
    raise MachineError(
        f"process {os.environ.get('RANK')} was terminated, as torchrun does when another process is"
        " lost; run the same command again to resume"
    )
