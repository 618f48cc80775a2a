"""DCGAN (Radford et al., arXiv 1511.06434) for PandA: opens its files, and brings a toy."""

from itertools import pairwise

from panda import Architecture, Card, hookimpl
from panda.checkpoints.checkpoint import Checkpoint


def network(latent, c):
    from torch import nn

    steps, widths = nn.Sequential(), [latent, 8 * c, 4 * c, 2 * c, c, 3]
    for k, (before, after) in enumerate(pairwise(widths)):
        stride, padding = (2, 1) if k else (1, 0)
        steps.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False))
        steps.extend([nn.BatchNorm2d(after), nn.ReLU(inplace=True)] if k < 4 else [nn.Tanh()])
    return steps


def build(checkpoint, device, dtype):
    from panda.checkpoints.strict import load_strictly, shape_of
    from panda.generators.torch_module import TorchModule

    tensors = {name.removeprefix("main."): t.float() for name, t in checkpoint.tensors.items()}
    latent, c = (shape_of(tensors, f"{k}.weight", dims=4)[0] for k in (0, 12))
    net = network(latent, c)
    load_strictly(net, tensors, "DCGAN")
    layers = ["2", "5", "8", "11"]  # after each ReLU: 4, 8, 16 and 32 pixels
    return TorchModule(net, layers, latent=(latent, 1, 1), device=device, dtype=dtype)


def toy(device, dtype):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(Checkpoint("random", network(16, 8).state_dict()), device, dtype)


@hookimpl
def panda_generators():
    return {"dcgan-random-64": Card("DCGAN", "none", 64, "Apache-2.0", "random weights", toy)}


@hookimpl
def panda_architectures():
    return {"DCGAN": Architecture(lambda file: "main.12.weight" in file.tensors, build)}
