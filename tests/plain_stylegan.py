"""StyleGAN's synthesis written op by op: it checks the plugin, whose speed it is compared with."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

BLUR = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16


def run(tensors, w):
    """Yield every layer's name and features, as they are made, and at last ``image``.

    ``tensors`` are genforce's, w is ``[N, num_layers, w_dim]``.
    """
    x = tensors["synthesis.layer0.const"].repeat(len(w), 1, 1, 1)
    for i in range(w.shape[1]):
        t = {k.removeprefix(f"synthesis.layer{i}."): v for k, v in tensors.items()}
        if i:
            weight = t["weight"] * math.sqrt(2 / (9 * x.shape[1]))
            if i % 2:
                x = F.conv2d(x, weight, padding=1)
            elif x.shape[2] < 64:
                x = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), weight, padding=1)
            else:
                p = F.pad(weight.transpose(0, 1), (1, 1, 1, 1))
                p = p[:, :, 1:, 1:] + p[:, :, :-1, 1:] + p[:, :, 1:, :-1] + p[:, :, :-1, :-1]
                x = F.conv_transpose2d(x, p, stride=2, padding=1)
            if i % 2 == 0:
                x = F.conv2d(x, BLUR.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])
        x = x + t["apply_noise.noise"] * t["apply_noise.weight"][:, None, None]
        x = F.instance_norm(F.leaky_relu(x + t["bias"][:, None, None], 0.2), eps=1e-8)
        style = w[:, i] @ t["style.weight"].T / math.sqrt(w.shape[2]) + t["style.bias"]
        scale, shift = style[:, :, None, None].chunk(2, 1)
        x = x * (scale + 1) + shift
        yield f"{4 << i // 2}.conv{i % 2}" if i else "4.const", x
    last = f"synthesis.output{w.shape[1] // 2 - 1}"
    weight = tensors[f"{last}.weight"] / math.sqrt(x.shape[1])
    yield "image", F.conv2d(x, weight, tensors[f"{last}.bias"])
