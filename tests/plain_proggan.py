"""ProGAN written op by op, which checks the plugin and whose speed it is compared with."""

from __future__ import annotations

import math

import torch.nn.functional as F


def run(t, z):
    """Yield every layer's name and features, as they are made, and at last ``image``.

    ``t`` are genforce's tensors, z is ``[N, z]``.
    """
    x = pixel_norm(z)[:, :, None, None]
    depth = sum(k.startswith("layer") and k.endswith("bias") for k in t)
    for k in range(depth):
        weight = t[f"layer{k}.weight"]
        weight = weight * math.sqrt(2 / weight[0].numel())
        x = pixel_norm(x)
        x = F.interpolate(x, scale_factor=2) if k and k % 2 == 0 else x
        x = F.conv2d(x, weight, t[f"layer{k}.bias"], padding=1 if k else 3)
        x = F.leaky_relu(x, 0.2)
        yield f"{4 << k // 2}.conv{k % 2 + 1}", x
    last = f"output{depth // 2 - 1}"
    weight = t[f"{last}.weight"] / math.sqrt(x.shape[1])
    yield "image", F.conv2d(pixel_norm(x), weight, t[f"{last}.bias"])


def pixel_norm(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
