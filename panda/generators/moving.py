"""Moving a generator to another device: every tensor that it keeps, wherever it keeps it."""

from __future__ import annotations

import copy
import sys
from dataclasses import fields, is_dataclass
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from panda.errors import PandaError

if TYPE_CHECKING:
    from panda.generators.contract import Generator

T = TypeVar("T")


def usable_device(device: str | torch.device) -> torch.device:
    """Return torch's device; raises `PandaError` where it cannot be used on this machine."""
    try:
        place = torch.device(device)
        if place.type == "meta":
            raise RuntimeError("it holds no numbers")
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise PandaError(f"device '{device}' cannot be used here: {reason}") from error
    return place


def move(generator: Generator, device: torch.device, nested: type[Any]) -> None:
    """Move what the generator keeps in its attributes; see `Generator.to`.

    What is of the type ``nested`` among it moves itself.
    """
    _Mover(generator, device, nested).attributes_of(generator)


def _is_plain_object(value: object) -> bool:
    """Whether attributes of the object may keep tensors: not of classes, functions, loggers, ..."""
    if isinstance(value, SimpleNamespace):
        return True
    top = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and top not in sys.stdlib_module_names


class _Mover:
    """Moves modules, generators and other objects in place, and replaces tensors and containers.

    Each object is visited once, so that what was shared stays shared.
    """

    def __init__(self, root: Generator, target: torch.device, nested: type[Any]) -> None:
        self.source, self.target, self.nested = root.device, target, nested
        self._seen: dict[int, tuple[Any, Any]] = {id(root): (root, root)}

    def moved(self, value: T) -> T:
        """Return the value on the target device; the value itself where nothing of it moves."""
        if id(value) not in self._seen:
            self._seen[id(value)] = value, value  # ends circles
            self._seen[id(value)] = value, self._moved(value)
        result: T = self._seen[id(value)][1]
        return result

    def attributes_of(self, owner: object) -> None:
        """Move an object's attributes in place."""
        attributes = vars(owner)
        for name, value in list(attributes.items()):
            if (moved := self.moved(value)) is not value:
                attributes[name] = moved

    def _moved(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, torch.device):
            return self.target if value == self.source else value
        if isinstance(value, self.nested):
            return value.to(self.target)
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, MappingProxyType):
            return MappingProxyType(self.moved(dict(value)))
        if isinstance(value, dict):
            return self._dict(value)
        if isinstance(value, list | tuple):
            return self._sequence(value)
        if is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value)
        if _is_plain_object(value):
            self.attributes_of(value)
        return value

    def _tensor(self, tensor: Tensor) -> Tensor:
        if tensor.device == self.target:
            return tensor
        there = tensor.detach().to(self.target)
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(there, tensor.requires_grad)
        return there.requires_grad_(tensor.requires_grad)

    def _module(self, module: nn.Module) -> nn.Module:
        """Move parameters and buffers as torch does, then what the submodules keep beside them."""
        module.to(self.target)
        for submodule in module.modules():
            self._seen[id(submodule)] = submodule, submodule
        for submodule in module.modules():
            self.attributes_of(submodule)
        return module

    def _dict(self, mapping: dict[Any, Any]) -> dict[Any, Any]:
        items = {key: self.moved(value) for key, value in mapping.items()}
        if all(items[key] is value for key, value in mapping.items()):
            return mapping
        new = copy.copy(mapping)  # a defaultdict, say, stays one
        new.update(items)
        return new

    def _sequence(self, sequence: list[Any] | tuple[Any, ...]) -> list[Any] | tuple[Any, ...]:
        items = [self.moved(value) for value in sequence]
        if all(new is old for new, old in zip(items, sequence, strict=True)):
            return sequence
        if isinstance(sequence, list):
            new_list = copy.copy(sequence)
            new_list[:] = items
            return new_list
        is_named = hasattr(sequence, "_fields")
        return type(sequence)(*items) if is_named else type(sequence)(items)

    def _dataclass(self, record: Any) -> Any:
        values = {field.name: getattr(record, field.name, None) for field in fields(record)}
        values |= getattr(record, "__dict__", {})  # with cached properties
        changed = {
            name: moved
            for name, value in values.items()
            if (moved := self.moved(value)) is not value
        }
        if not changed:
            return record
        new = copy.copy(record)  # a call of the class would want other arguments, or refuse
        for name, value in changed.items():
            object.__setattr__(new, name, value)
        return new
