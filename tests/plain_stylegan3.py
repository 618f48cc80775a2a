"""StyleGAN3's synthesis written op by op, with weights of each sample's own: slow and obvious.

It shares no code with the plugin, which it checks and whose speed it is compared with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def run(tensors, designs, source, w, *, clamp=256.0, scale=0.25):
    """Yield every layer's name and features, as they are made, and at last ``image``.

    ``tensors`` bear NVIDIA's names; ``designs`` are the layers' rates, ``source`` the first one.
    """
    t = {k.removeprefix("synthesis."): v for k, v in tensors.items() if k.startswith("synthesis.")}
    names = sorted(
        {k.split(".")[0] for k in t if k[0] == "L"}, key=lambda k: int(k[1:].split("_")[0])
    )
    x = fourier(t, source, w[:, 0])
    yield "input", x
    for i, (name, design) in enumerate(zip(names, designs, strict=True)):
        x = layer(t, name, design, x, w[:, i + 1], clamp)
        if not design.is_rgb:
            yield name, x
    yield "image", x * scale


def affine(t, name, w):
    return w @ (t[f"{name}.affine.weight"] / math.sqrt(w.shape[1])).T + t[f"{name}.affine.bias"]


def fourier(t, rate, w):
    """The map's positions turned and shifted by w, times every frequency; then a matrix."""
    turn = affine(t, "input", w)
    c, s, dx, dy = (turn / turn[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    rotate = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)
    shift = torch.stack([one, zero, -dx, zero, one, -dy, zero, zero, one], 1).view(-1, 3, 3)
    matrix = rotate @ shift @ t["input.transform"]
    phases = t["input.phases"] + (t["input.freqs"] @ matrix[:, :2, 2:]).squeeze(2)
    freqs = t["input.freqs"] @ matrix[:, :2, :2]
    fade = (freqs.norm(dim=2) - rate.cutoff) / (rate.sampling_rate / 2 - rate.cutoff)
    theta = torch.eye(2, 3)
    theta[0, 0] = theta[1, 1] = 0.5 * rate.size / rate.sampling_rate
    grid = F.affine_grid(theta[None], [1, 1, rate.size, rate.size], align_corners=False)
    x = grid @ freqs.mT[:, None] + phases[:, None, None]
    x = torch.sin(x * (2 * math.pi)) * (1 - fade).clamp(0, 1)[:, None, None]
    return (x @ (t["input.weight"] / math.sqrt(len(t["input.weight"]))).T).permute(0, 3, 1, 2)


def layer(t, name, design, x, w, clamp):
    n, channels, height, width = x.shape
    weight, style = t[f"{name}.weight"], affine(t, name, w)
    if design.is_rgb:
        weight = weight * (style / math.sqrt(channels))[:, None, :, None, None]
    else:
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean(1, keepdim=True).rsqrt()
        weight = weight * style[:, None, :, None, None]
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    weight = weight * t[f"{name}.magnitude_ema"].rsqrt()
    x = F.conv2d(
        x.reshape(1, n * channels, height, width),
        weight.flatten(0, 1),
        padding=weight.shape[-1] - 1,
        groups=n,
    )
    x = x.view(n, -1, *x.shape[2:]) + t[f"{name}.bias"][:, None, None]
    if design.is_rgb:
        return x.clamp(-clamp, clamp)
    up, down = t[f"{name}.up_filter"], t[f"{name}.down_filter"]
    before = design.padding(x.shape[2])
    x = zeros_between(x, design.up)
    wanted = (design.target.size - 1) * design.down + len(down) + len(up) - 1
    after = wanted - x.shape[2] - before
    x = fir(F.pad(x, (before, after, before, after)), up * design.up)
    x = (F.leaky_relu(x, 0.2) * math.sqrt(2)).clamp(-clamp, clamp)
    return fir(x, down)[:, :, :: design.down, :: design.down]


def zeros_between(x, factor):
    n, channels, height, width = x.shape
    x = F.pad(x.view(n, channels, height, 1, width, 1), (0, factor - 1, 0, 0, 0, factor - 1))
    return x.view(n, channels, height * factor, width * factor)


def fir(x, taps):
    """Filter every channel along both axes, or at once by a radial filter."""
    channels = x.shape[1]
    taps = taps.flip(tuple(range(taps.dim())))
    if taps.dim() == 2:
        return F.conv2d(x, taps.expand(channels, 1, *taps.shape), groups=channels)
    x = F.conv2d(x, taps.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(x, taps[:, None].expand(channels, 1, -1, 1), groups=channels)
