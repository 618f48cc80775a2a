"""MobileStyleGAN's synthesis written op by op, with weights of each sample's own: slow and obvious.

It shares no code with the plugin, which it checks and whose speed it is compared with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def run(t, w):
    """Yield every layer's name and features, as they are made, and at last ``image``.

    ``t`` holds the tensors under the plugin's names; w is ``[N, 512]``.
    """
    n = len(w)
    x = t["input.constant"].repeat(n, 1, 1, 1)
    weight = t["input.weight"] * affine(t, "input", w)[:, None, :, None, None]
    x = F.conv2d(x.view(1, -1, 4, 4), weight.flatten(0, 1), padding=1, groups=n).view(n, -1, 4, 4)
    x = finish(t, "input", x)
    yield "4.conv", x
    for k in range(sum(name.endswith("up.style.weight") for name in t)):
        x = inverse_haar(x * affine(t, f"blocks.{k}.up", w)[:, :, None, None])
        for conv in ("conv1", "conv2"):
            x = styled(t, f"blocks.{k}.{conv}", x, w)
            yield f"{8 << k}.{conv}", x
    weight = t["to_image.weight"] * affine(t, "to_image", w)[:, None, :]
    x = F.conv2d(x.reshape(1, -1, *x.shape[2:]), weight.flatten(0, 1)[:, :, None, None], groups=n)
    x = x.view(n, -1, *x.shape[2:]) + t["to_image.bias"][:, None, None]
    yield "image", inverse_haar(x)


def affine(t, name, w):
    return w @ t[f"{name}.style.weight"].T + t[f"{name}.style.bias"]


def finish(t, name, x):
    return F.leaky_relu(x + t[f"{name}.noise"] + t[f"{name}.bias"][:, None, None], 0.2)


def styled(t, name, x, w):
    n, channels, height, width = x.shape
    weight = t[f"{name}.depthwise"] * affine(t, name, w)[:, :, None, None, None]
    grouped = x.reshape(1, n * channels, height, width)
    x = F.conv2d(grouped, weight.flatten(0, 1), padding=1, groups=n * channels).view_as(x)
    return finish(t, name, F.conv2d(x, t[f"{name}.pointwise"][:, :, None, None]))


def inverse_haar(x):
    """Low-pass band first, then three bands for each of its channels; one axis, then the other."""
    low, bands = x[:, : x.shape[1] // 4], x[:, x.shape[1] // 4 :]
    down, across, diagonal = bands.unflatten(1, (-1, 3)).unbind(2)
    return merge(merge(low, down, (2, 1)), merge(across, diagonal, (2, 1)), (1, 2))


def merge(low, high, size):
    """Double one axis: zeros between the values, then the two filters of the Haar wavelet."""
    channels, stride = low.shape[1], size
    taps = torch.tensor([1.0, 1.0]).view(1, 1, *size).expand(channels, 1, *size) / math.sqrt(2)
    signs = torch.tensor([1.0, -1.0]).view(1, 1, *size)
    low = F.conv_transpose2d(low, taps, stride=stride, groups=channels)
    return low + F.conv_transpose2d(high, taps * signs, stride=stride, groups=channels)
