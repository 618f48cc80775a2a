"""A module of the user's: the latents that it takes, and the submodules where it can be stopped."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from panda.errors import PandaError, describe_error, nearest
from panda.generators.torch_module import TorchModule

SIDES = 1, 4, 8, 16, 32
"""Heights and widths of latents that are tried with a convolution."""

PLACES = 4
"""The least number of positions of a layer: parts need some."""


@dataclass(frozen=True)
class Plan:
    """How a module is put behind the contract.

    Attributes:
        module: The Python module that its class comes from.
        attribute: The class, or the function, that makes it when called without arguments.
        latent: The shape of one latent.
        layers: Names of submodules, in the order in which they run.
        size: Height and width of its images.
        channels: Their channels.
        noisy: Whether a forward pass draws noise.
    """

    module: str
    attribute: str
    latent: tuple[int, ...]
    layers: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    noisy: bool = False


def plan_of(target: str, latent: tuple[int, ...] | None = None) -> Plan:
    """Import a module's class, make one, and find its latents and its layers by running it.

    Of the submodules that run once and return features ``[N, C, H, W]``, the last of each size is
    a layer.

    Args:
        target: ``package.module:Class``; a function that makes the module is as good.
        latent: The shape of one latent; by default it follows from the first weights.

    Raises:
        PandaError: It cannot be imported, made or run, or has no such submodule.
    """
    path, colon, attribute = target.partition(":")
    if not colon or not path or not attribute.isidentifier():
        raise PandaError(f"{target!r} is no module and class, such as mynets.unet:Decoder")
    network = _made(path, attribute)
    tried = [latent] if latent else list(_latents(network))
    if not tried:
        raise PandaError(f"the shape of {target}'s latents is not known; give it with --latent")
    reasons = []
    for shape in tried:
        try:
            layers = _layers(network, shape)
            noisy = _draws(network, shape)
            generator = TorchModule(network, layers, latent=shape, fixed_noise=noisy)
            return Plan(path, attribute, shape, layers, generator.size, generator.channels, noisy)
        except PandaError as error:
            reasons.append(str(error))
    shapes = " or ".join(str(list(shape)) for shape in tried)
    more = "" if latent else "; give the shape of one latent with --latent"
    raise PandaError(f"{target} does not run on latents {shapes}: {reasons[0]}{more}")


def _made(path: str, attribute: str) -> nn.Module:
    """Import and call what makes the module; the working folder counts, as for ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = import_module(path)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way at all
        raise PandaError(f"{path} cannot be imported: {describe_error(error)}") from error
    if not hasattr(found, attribute):
        raise PandaError(f"{path} has no {attribute!r}{nearest(attribute, list(vars(found)))}")
    make = getattr(found, attribute)
    if isinstance(make, nn.Module) or not callable(make):
        raise PandaError(
            f"{path}:{attribute} is a {type(make).__name__}; name the class, or a function that"
            " makes the module when it is called without arguments"
        )
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = make()
    except (Exception, SystemExit) as error:
        raise PandaError(
            f"{path}:{attribute} cannot be called without arguments ({describe_error(error)});"
            " name a function that makes the module"
        ) from error
    if not isinstance(network, nn.Module):
        raise PandaError(f"{path}:{attribute} makes a {type(network).__name__}, no torch.nn.Module")
    return network.eval()


def _latents(network: nn.Module) -> Iterator[tuple[int, ...]]:
    """Yield shapes that one latent may have, by the first weights that run on it."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            yield (module.in_features,)
            return
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            yield from ((module.in_channels, side, side) for side in SIDES)
            return


def _draws(network: nn.Module, latent: tuple[int, ...]) -> bool:
    """Return whether a forward pass draws from torch's global random numbers."""
    with torch.random.fork_rng(), torch.no_grad():
        before = torch.get_rng_state()
        network(torch.zeros(1, *latent))
        return not torch.equal(torch.get_rng_state(), before)


def _layers(network: nn.Module, latent: tuple[int, ...]) -> tuple[str, ...]:
    """Run the module once; return the last submodule of each size of features."""
    runs: list[tuple[str, Any]] = []
    handles = [
        module.register_forward_hook(lambda _m, _x, out, name=name: runs.append((name, out)))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            image = network(torch.zeros(1, *latent))
    except (Exception, SystemExit) as error:
        raise PandaError(describe_error(error)) from error
    finally:
        for handle in handles:
            handle.remove()
    times = Counter(name for name, _ in runs)
    of_size: dict[tuple[int, ...], str] = {}
    for name, out in runs:
        if times[name] == 1 and isinstance(out, Tensor) and out.ndim == 4:
            height, width = out.shape[2:]
            ends = isinstance(image, Tensor) and out.shape == image.shape
            if height * width >= PLACES and not ends:
                of_size[height, width] = name
    chosen = set(of_size.values())
    names = tuple(name for name, _ in runs if name in chosen)
    if not names:
        raise PandaError("it has no submodule that runs once and returns features [N, C, H, W]")
    return names
