"""StyleGAN2's synthesis written op by op, with weights of each sample's own: slow and obvious.

It shares no code with the plugin, which it checks where no golden reaches (residual and plain
generators, full widths) and whose speed it is compared with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def synthesize(tensors, w, *, clamp=None, noise=True):
    """Images ``[N, C, H, W]`` from NVIDIA's tensors and w ``[N, num_ws, w_dim]``."""
    *_, (_, image) = run(tensors, w, clamp=clamp, noise=noise)
    return image


def run(tensors, w, *, clamp=None, noise=True):
    """Yield every layer's name and features, as they are made, and at last ``image``."""
    t = {k.removeprefix("synthesis."): v for k, v in tensors.items() if k.startswith("synthesis.")}
    resolutions = sorted({int(k.split(".")[0][1:]) for k in t})
    x = t["b4.const"].repeat(len(w), 1, 1, 1)
    image, layer = None, 0
    for r in resolutions:
        residual = None
        if f"b{r}.skip.weight" in t:
            weight = t[f"b{r}.skip.weight"] / math.sqrt(x.shape[1])
            taps = t[f"b{r}.skip.resample_filter"]
            residual = fir(zeros_between(F.conv2d(x, weight)), (2, 1), taps) * 4 * math.sqrt(0.5)
        if f"b{r}.conv0.weight" in t:
            x = styled(t, f"b{r}.conv0", x, w[:, layer], clamp, noise)
            layer += 1
            yield f"{r}.conv0", x
        x = styled(t, f"b{r}.conv1", x, w[:, layer], clamp, noise)
        layer += 1
        if residual is not None:
            x = x * math.sqrt(0.5) + residual
        yield f"{r}.conv1", x
        if f"b{r}.torgb.weight" in t:
            y = torgb(t, f"b{r}.torgb", x, w[:, layer], clamp)
            if image is not None:
                y = y + fir(zeros_between(image), (2, 1), t[f"b{r}.resample_filter"]) * 4
            image = y
    yield "image", image


def affine(t, name, w):
    weight = t[f"{name}.affine.weight"] / math.sqrt(w.shape[1])
    return w @ weight.T + t[f"{name}.affine.bias"]


def styled(t, name, x, w, clamp, noise):
    n, channels, height, width = x.shape
    weight = t[f"{name}.weight"] * affine(t, name, w)[:, None, :, None, None]
    weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    count = weight.shape[1]
    grouped = x.reshape(1, n * channels, height, width)
    if name.endswith("conv0"):
        kernel = weight.transpose(1, 2).reshape(n * channels, count, 3, 3)
        x = F.conv_transpose2d(grouped, kernel, stride=2, groups=n)
        x = fir(x.view(n, count, *x.shape[2:]), (1, 1), t[f"{name}.resample_filter"]) * 4
    else:
        x = F.conv2d(grouped, weight.flatten(0, 1), padding=1, groups=n)
        x = x.view(n, count, height, width)
    if noise:
        x = x + t[f"{name}.noise_const"] * t[f"{name}.noise_strength"]
    x = F.leaky_relu(x + t[f"{name}.bias"][:, None, None], 0.2) * math.sqrt(2)
    return x if clamp is None else x.clamp(-clamp, clamp)


def torgb(t, name, x, w, clamp):
    n, channels, height, width = x.shape
    styles = affine(t, name, w) / math.sqrt(channels)
    weight = (t[f"{name}.weight"] * styles[:, None, :, None, None]).flatten(0, 1)
    x = F.conv2d(x.reshape(1, n * channels, height, width), weight, groups=n)
    x = x.view(n, -1, height, width) + t[f"{name}.bias"][:, None, None]
    return x if clamp is None else x.clamp(-clamp, clamp)


def zeros_between(x):
    n, channels, height, width = x.shape
    x = x.view(n, channels, height, 1, width, 1)
    return F.pad(x, (0, 1, 0, 0, 0, 1)).view(n, channels, 2 * height, 2 * width)


def fir(x, pad, taps):
    """Pad each side and convolve, as mathematics has it: the filter is read backward."""
    kernel = taps.flip(0, 1).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (*pad, *pad)), kernel, groups=x.shape[1])
