"""GANs that upsample and convolve (Odena et al., distill.pub 2016): opens files, brings a toy."""

from itertools import pairwise

from panda import Architecture, Card, hookimpl
from panda.checkpoints.checkpoint import Checkpoint


def network(latent, c):
    from torch import nn

    steps = nn.Sequential(nn.ConvTranspose2d(latent, 8 * c, 4), nn.ReLU())
    for before, after in pairwise([8 * c, 4 * c, 2 * c, c, 3]):
        steps.extend([nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)])
        steps.append(nn.Tanh() if after == 3 else nn.ReLU())
    return steps


def build(checkpoint, device, dtype):
    from panda.checkpoints.strict import load_strictly, shape_of
    from panda.generators.torch_module import TorchModule

    tensors = {name.removeprefix("main."): t.float() for name, t in checkpoint.tensors.items()}
    latent, c = shape_of(tensors, "0.weight", dims=4)[0], shape_of(tensors, "12.weight", dims=4)[1]
    net = network(latent, c)
    load_strictly(net, tensors, "UpConvGAN")
    layers = ["1", "4", "7", "10"]  # after each ReLU: 4, 8, 16 and 32 pixels
    return TorchModule(net, layers, latent=(latent, 1, 1), device=device, dtype=dtype)


def toy(device, dtype):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(Checkpoint("random", network(16, 8).state_dict()), device, dtype)


@hookimpl
def panda_generators():
    return {"upconv-random-64": Card("UpConvGAN", "none", 64, "Apache-2.0", "random weights", toy)}


@hookimpl
def panda_architectures():
    return {"UpConvGAN": Architecture(lambda file: "main.12.bias" in file.tensors, build)}
