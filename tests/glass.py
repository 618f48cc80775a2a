"""A device without hardware: tensors that say they are elsewhere, and meet no others.

Numbers lie in the CPU's memory, but a tensor of the device ``glass`` meets one of the CPU only
where a GPU's would: as a copy, as indices of its elements, or as a number without dimensions that
is not to be joined to others. So what forgets to move a tensor fails here as it fails on a GPU, on
any machine.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this torch is too old for a device made in Python", allow_module_level=True)

from torch.utils.backend_registration import _setup_privateuseone_for_python_backend


class _Backend:
    """What torch asks a device's module: there is one such device, and no random numbers on it."""

    def is_available(self):
        return True

    is_initialized = is_available

    def device_count(self):
        return 1

    def current_device(self):
        return 0

    def manual_seed_all(self, seed):
        pass

    def get_rng_state(self, device=0):
        return torch.zeros(0, dtype=torch.uint8)

    def set_rng_state(self, state, device=0):
        pass

    def _is_in_bad_fork(self):
        return False


_setup_privateuseone_for_python_backend("glass", _Backend())

BY_INDEX = ("index", "index_put", "index_put_", "_index_put_impl_")
"""Operations whose indices may be on the CPU while what they index is not."""


class Glass(torch.Tensor):
    """A tensor on the device: ``inner``, its numbers, is on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner):
        found = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device("glass", 0),
        )
        found.inner = inner
        return found

    def __deepcopy__(self, memo):
        return Glass(self.inner.clone())

    def tolist(self):
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class Panes(TorchDispatchMode):
    """While it is open, tensors can be made on the device ``glass`` and moved there."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if Glass not in types and "device" not in kwargs:  # most operations, so without delay
            return operation(*args, **kwargs)
        return _run(operation, args, kwargs)


def _run(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, _ = pytree.tree_flatten((args, kwargs))
    tensors = [value for value in given if isinstance(value, torch.Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, Glass)]
    name = operation._schema.name.removeprefix("aten::")
    _check(name, args, tensors, here)
    device = kwargs.get("device")
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    inner_args, inner_kwargs = pytree.tree_map(_inner, (args, kwargs))
    result = operation(*inner_args, **inner_kwargs)
    if device is not None:
        made_here = torch.device(device).type == "glass"
    else:
        made_here = isinstance(args[0], Glass) if name == "copy_" else bool(here)
    if not made_here:
        return result
    known = {id(tensor.inner): tensor for tensor in here}  # of operations in place

    def outer(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else Glass(value)

    return pytree.tree_map(outer, result)


def _check(
    name: str, args: tuple[Any, ...], tensors: list[torch.Tensor], here: list[Glass]
) -> None:
    if not here or name in ("_to_copy", "copy_"):
        return
    if name in BY_INDEX and isinstance(args[0], Glass):
        return
    for tensor in tensors:
        if not isinstance(tensor, Glass) and (tensor.ndim or name in ("cat", "stack")):
            raise RuntimeError(
                f"{name}: a tensor of shape {list(tensor.shape)} is on the CPU, others on glass"
            )


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Glass) else value


def _empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    return Glass(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy_from(source, target, non_blocking=False):
    _inner(target).copy_(_inner(source))
    return target


# What torch itself calls below any mode, when a list becomes a tensor of a device.
LIBRARY = torch.library.Library("aten", "IMPL")
LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")
