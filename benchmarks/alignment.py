"""Where features show in the image: shares and edges of sound layers and of displaced ones.

    python benchmarks/alignment.py tests/goldens/*/network.pkl dcgan-omniart-eyes-128

measures what the check ``aligned`` looks at, at every layer of the generators that are named (and
of four random networks, unless ``--no-random`` is given): as they are, with positions in another
order, and with images that are padded or cropped. It prints the least, the 5th percentile, the
median, the 95th percentile and the greatest of the layers' values, by size of the layer.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda import Generator, Latents, State, TorchModule, create_generator
from panda.generators.wrapper import Wrapper
from panda.testing.alignment import DISPLACED, FINE, SHARP, SMALLEST, strips

SEEDS = (3, 14)

COARSE = 16
"""Layers with fewer rows are counted by themselves."""

Order = Callable[[Tensor], Tensor]
"""Puts positions ``[H, W]`` into another order, as ``[H * W]``."""


def _shuffle(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(5))


def windows(grid: Tensor) -> Tensor:
    """Order positions ``[H, W]`` window by window, as window attention does."""
    (h, w), side = grid.shape, 4 if min(grid.shape) >= COARSE else 2
    if h % side or w % side:
        return grid.flatten()
    return grid.view(h // side, side, w // side, side).transpose(1, 2).flatten()


ORDERS: dict[str, Order] = {
    "as it is": lambda grid: grid.flatten(),
    "mirrored up and down": lambda grid: grid.flip(0).flatten(),
    "mirrored left and right": lambda grid: grid.flip(1).flatten(),
    "transposed": lambda grid: grid.T.flatten(),
    "shuffled": lambda grid: grid.flatten()[_shuffle(grid.numel())],
    "shifted by a half": lambda grid: grid.roll(len(grid) // 2, 0).flatten(),
    "shifted by a quarter": lambda grid: grid.roll((len(grid) // 4,) * 2, (0, 1)).flatten(),
    "in windows": windows,
}


def padded(image: Tensor, share: float) -> Tensor:
    """Show an image in the middle ``share`` of it, with black around."""
    side = image.shape[-1]
    border = round(side * (1 - share) / 2)
    inner = F.interpolate(image, (side - 2 * border,) * 2, mode="bilinear", antialias=True)
    return F.pad(inner, (border,) * 4, value=-1)


def padded_below(image: Tensor, share: float) -> Tensor:
    """Show an image in the upper ``share`` of it, with black below."""
    height, width = image.shape[2:]
    rows = round(height * share)
    inner = F.interpolate(image, (rows, width), mode="bilinear", antialias=True)
    return F.pad(inner, (0, 0, 0, height - rows), value=-1)


def cropped(image: Tensor, share: float) -> Tensor:
    """Show the middle ``share`` of an image."""
    side = image.shape[-1]
    border = round(side * (1 - share) / 2)
    inner = image[:, :, border : side - border, border : side - border]
    return F.interpolate(inner, (side, side), mode="bilinear")


IMAGES: dict[str, Callable[[Tensor], Tensor]] = {
    f"{way.__name__.replace('_', ' ')} to {share:.0%}": partial(way, share=share)
    for way in (padded, padded_below, cropped)
    for share in (0.5, 0.75)
}


class Displaced(Wrapper):
    """A generator whose positions are in another order, or whose images are padded or cropped."""

    def __init__(
        self, inner: Generator, order: Order, image: Callable[[Tensor], Tensor] = lambda x: x
    ) -> None:
        super().__init__(inner)
        self.order, self.image = order, image

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        return self.ordered(self.inner.head(latents, layer), layer, back=False)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self.image(self.inner.tail(self.ordered(state, layer, back=True), layer))

    def ordered(self, state: State, layer: str, *, back: bool) -> State:
        """Put the positions inside the image into the other order, or back."""
        place, x = self.layers[layer], state.x.clone()
        inside = slice(place.margin, place.height - place.margin)
        across = slice(place.margin, place.width - place.margin)
        canvas = x[:, :, inside, across]
        order = self.order(torch.arange(canvas[0, 0].numel()).view(canvas.shape[2:]))
        order = order.argsort() if back else order
        x[:, :, inside, across] = canvas.flatten(2)[:, :, order].view_as(canvas)
        return state.with_features(x)


class Attention(nn.Module):
    """Self-attention over positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.out = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 1)
        self.inputs = nn.Conv2d(channels, 3 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.inputs(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, 2)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return x + self.out(y.reshape(x.shape))


def decoder(norm: Callable[[int], nn.Module], attention: bool) -> nn.Sequential:
    """Return a decoder of 8 x 8 latents with residual blocks, as VAEs have."""

    def block(c: int) -> nn.Module:
        return nn.Sequential(norm(c), nn.SiLU(), nn.Conv2d(c, c, 3, padding=1))

    steps: list[nn.Module] = [nn.Conv2d(4, 32, 3, padding=1), block(32)]
    steps += [Attention(32)] if attention else []
    for _ in range(3):
        steps += [nn.Upsample(scale_factor=2), block(32), block(32)]
    return nn.Sequential(*steps, nn.Conv2d(32, 3, 3, padding=1), nn.Tanh())


def random_networks() -> Iterator[Generator]:
    """Yield networks with random weights, whose norms or attention reach across the image."""
    norms = {"group": lambda c: nn.GroupNorm(8, c), "instance": lambda c: nn.InstanceNorm2d(c)}
    for name, norm in norms.items():
        for attention in (False, True):
            torch.manual_seed(0)
            net = decoder(norm, attention)
            layers = [str(k) for k in range(len(net) - 2)]
            generator = TorchModule(net, layers, latent=(4, 8, 8))
            generator.name = f"decoder, {name} norm{', attention' if attention else ''}"
            yield generator


def spread(values: list[float]) -> str:
    """Return the least, 5th percentile, median, 95th percentile and greatest as text."""
    at = torch.tensor(values).quantile(torch.tensor([0, 0.05, 0.5, 0.95, 1])).tolist()
    return " ".join(f"{value:6.2f}" for value in at)


def measure(generators: list[Generator]) -> None:
    """Print the values of sound and of displaced layers."""
    ways = {name: (order, lambda x: x) for name, order in ORDERS.items()}
    ways |= {name: (ORDERS["as it is"], image) for name, image in IMAGES.items()}
    for name, way in ways.items():
        shares, second = defaultdict(list), []
        for generator in generators:
            latents = generator.sample(SEEDS, truncation=1.0)
            for layer in generator.layers:
                both = [s for s in strips(Displaced(generator, *way), latents, layer) if s]
                if not both or (name == "in windows" and not _moved(generator, layer)):
                    continue
                size = min(s.size for s in both)
                kind = f"{SMALLEST} to {COARSE - 1}" if size < COARSE else f"{COARSE} and more"
                shares[kind].append(min(s.share for s in both))
                if "below" in name:
                    both = both[:1]  # columns are where they were
                sharp = [s for s in both if s.size >= FINE and s.sharpness >= SHARP]
                second += [sorted(map(abs, s.outward))[1] for s in sharp]
        for kind, values in shares.items():
            print(
                f"{name:24} share, {kind:10} {len(values):4} layers  {spread(values)}", flush=True
            )
        if second:
            print(f"{name:24} second edge, sharp {len(second):4} axes    {spread(second)}")
    print(f"an edge counts as displaced beyond {DISPLACED}; the check asks for two of three")


def _moved(generator: Generator, layer: str) -> bool:
    """Whether a layer has more than one window."""
    place = generator.layers[layer]
    sides = place.height - 2 * place.margin, place.width - 2 * place.margin
    grid = torch.arange(sides[0] * sides[1]).view(sides)
    return not torch.equal(windows(grid), grid.flatten())


def main() -> None:
    """Measure the generators of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generators", nargs="*", help="names or files")
    parser.add_argument("--no-random", action="store_true", help="leave out the random networks")
    options = parser.parse_args()
    named = [create_generator(name) for name in options.generators]
    with torch.inference_mode():
        measure(named + ([] if options.no_random else list(random_networks())))


if __name__ == "__main__":
    main()
