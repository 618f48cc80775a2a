"""Layers and channels of networks that double height and width step by step.

Listings import this module, so it does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from panda.generators.contract import Layer


def layers(
    channels: Iterable[int],
    first: Sequence[str],
    later: Sequence[str],
    size: tuple[int, int] = (4, 4),
) -> tuple[Layer, ...]:
    """List the layers of a network in running order.

    Args:
        channels: Channels at every resolution, the lowest first.
        first: Names of the layers at the lowest resolution, in order.
        later: Names of the layers at every other resolution, in order.
        size: Height and width of the lowest resolution.

    Returns:
        Layers named ``"{height}.{name}"``.
    """
    height, width = size
    return tuple(
        Layer(f"{height << k}.{name}", count, height << k, width << k)
        for k, count in enumerate(channels)
        for name in (later if k else first)
    )


def channels(resolution: int, base: int) -> list[int]:
    """Return the channels of NVIDIA's official networks at 4, 8, ... ``resolution`` pixels.

    They are ``base / pixels``, at most 512 (``channel_base`` and ``channel_max`` in
    ``training/networks.py`` of NVlabs/stylegan2-ada-pytorch).
    """
    return [min(base >> k, 512) for k in range(2, resolution.bit_length())]
