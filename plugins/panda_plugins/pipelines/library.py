"""Classes of diffusers and transformers: imported on demand, and built without copying weights."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError, describe_error

from .kinds import ALIASES, MODULES

INSTALL = "pip install 'panda-parts[diffusers]'"

LARGEST = 1 << 20
"""The largest number that a config may have: of channels, tokens, positions."""

LARGEST_SIDE = 2048
"""The most pixels on a side; no weights are proof of what a config says of it."""

MOST_BLOCKS = 128
"""The most blocks, and layers of one, that a config may ask for."""

MOST_TOKENS = 1 << 16
"""The most tokens of an image; their positions are computed when a transformer is built."""

MOST_NUMBERS = 1 << 24
"""The most numbers in those positions, which have as many channels as the transformer."""


def imported(name: str) -> Any:
    """Return one of the classes in `MODULES`.

    Raises:
        PandaError: Where its library is not installed, or is too old.
    """
    module = MODULES[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is missing for other classes
            return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        library = module.partition(".")[0]
        raise PandaError(
            f"a pipeline of diffusers needs {library} ({describe_error(error)}); {INSTALL}"
        ) from error


def accepted(function: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return those entries of a config that a constructor takes, as diffusers itself does."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in config.items() if key in known}


def build_model(name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build a model of diffusers, whose parameters are the tensors themselves.

    Args:
        name: The name of the class.
        config: Its config.json.
        tensors: Its weights.

    Raises:
        PandaError: The weights are not those of this config, or it asks for too much.
    """
    name = ALIASES.get(name, name)
    make = imported(name)
    given = accepted(make.__init__, config)
    check_size(_with_defaults(make.__init__, given), name)
    model = built(make, given, name)
    load_strictly(model, _renamed(model, tensors), name)
    return model


def built(make: Any, config: Mapping[str, Any], name: str) -> nn.Module:
    """Return what a constructor makes of a config, without memory for its parameters.

    Raises:
        PandaError: Whatever it raises.
    """
    try:
        with hollow():
            model: nn.Module = make(**config)
    except Exception as error:  # of any config at all
        reason = describe_error(error, whole=True)
        raise PandaError(f"{name} does not take this config: {reason:.300}") from error
    return model


def _with_defaults(function: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with what a constructor takes where it says nothing."""
    known = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in known if p.default is not p.empty} | dict(config)


@contextmanager
def hollow() -> Iterator[None]:
    """Within this context, parameters of new modules hold no memory; buffers are computed.

    Torch's own random state stays as it is.
    """

    def emptied(_module: nn.Module, _name: str, parameter: Any) -> Any:
        return None if parameter is None else nn.Parameter(parameter.to("meta"), False)

    handle = register_module_parameter_registration_hook(emptied)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        handle.remove()


_ATTENTION = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}


def _renamed(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights by the names of today; files of early versions call attention otherwise."""
    known, new = model.state_dict().keys(), {}
    for name, tensor in tensors.items():
        path, _, kind = name.rpartition(".")
        path, _, last = path.rpartition(".")
        later = f"{path}.{_ATTENTION.get(last, '')}.{kind}"
        if name not in known and later in known:
            # Once convolutions of 1 x 1.
            name, tensor = later, tensor.reshape(tensor.shape[:2]) if kind == "weight" else tensor
        new[name] = tensor
    return new


def check_size(config: Mapping[str, Any], name: str) -> None:
    """Raise `PandaError` for a config that no checkpoint has, before anything is built of it."""
    for key, value in config.items():
        values = list(_leaves(value, 0))
        numbers = [n for n in values if isinstance(n, int | float)]
        most = MOST_BLOCKS if "layers" in key else LARGEST
        if len(values) > MOST_BLOCKS or any(abs(number) > most for number in numbers):
            raise PandaError(f"the config of {name} says {key}={value!s:.60}, more than any has")
    if "Transformer" not in name:
        return
    keys = "sample_size", "patch_size", "num_attention_heads", "attention_head_dim"
    sizes = [config.get(key) for key in keys]
    side, patch, heads, channels = (abs(n) if isinstance(n, int) else 0 for n in sizes)
    tokens = (side // max(patch, 1)) ** 2
    if tokens > MOST_TOKENS or tokens * heads * channels > MOST_NUMBERS:
        raise PandaError(f"the config of {name} says sample_size={side}, more than any has")


def sides_of(config: Mapping[str, Any], name: str, pixels: int = 1) -> tuple[int, int]:
    """Return height and width that a config says of what its model takes or makes.

    Args:
        config: The config.
        name: The name of the class, for errors.
        pixels: How many pixels on a side each position is of.

    Raises:
        PandaError: It says something else.
    """
    side = config.get("sample_size")
    sides = side if isinstance(side, list | tuple) else (side, side)
    most = LARGEST_SIDE // pixels
    if len(sides) != 2 or any(type(s) is not int or not 1 <= s <= most for s in sides):
        raise PandaError(
            f"the config of {name} says sample_size={side!r:.40}, expected positions on a side, at"
            f" most {most}"
        )
    height, width = sides
    return height, width


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, list | tuple | dict) and depth < 4:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner, depth + 1)
    else:
        yield value
