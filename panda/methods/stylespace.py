"""StyleSpace (Wu et al., arXiv 2011.12799): single style channels that act in one region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, w_space
from panda.methods.changes import Change, StyleChange
from panda.methods.gradients import repeat, shrink
from panda.methods.jacobian import jacobian
from panda.methods.method import Method
from panda.metrics.regions import Regions

PIXELS = 32
"""The images whose gradients are looked at are this wide."""

MAJORITY, LEAD = 0.5, 0.25
"""A channel belongs to a region that wins in so many images, and leads the next by so much."""

FAINT = 0.01
"""A channel is left out that moves a region by less than so much of what the strongest one does."""


@dataclass(frozen=True)
class StyleSpace(Method):
    """Channels by where their gradient is; a strength counts standard deviations.

    With ``probes`` 0 as its authors do: the whole Jacobian of 1000 images, by far the most costly
    of all fits. With ``probes`` the squared gradient inside and outside each region is estimated
    from so many random combinations of pixels a region and image, and channels are ranked by the
    share of theirs that is inside: one backward pass gives all channels at once.
    """

    name = "stylespace"
    source = "arXiv 2011.12799"
    images: int = 1000
    samples: int = 5000
    """For the standard deviations of styles."""
    probes: int = 0
    channels: int = 40
    """How many are listed for each region."""

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.fit`."""
        space = w_space(generator, "StyleSpace")
        deviations = _deviations(space, self.samples)
        score = self._by_probes if self.probes else self._by_jacobian
        places = [(slot, k) for slot, row in deviations.items() for k in range(len(row))]
        found: dict[str, Change] = {}
        for region, scores in score(space, regions, torch.cat(list(deviations.values()))).items():
            best = scores.argsort(descending=True)[: self.channels]
            for slot, k in (places[i] for i in best.tolist() if scores[i] > 0):
                unit = float(deviations[slot][k])
                found[f"{region}: {slot} {k}"] = StyleChange(slot, k, unit)
        return found

    def _by_jacobian(
        self, space: WSpace, regions: Regions, deviations: Tensor
    ) -> dict[str, Tensor]:
        """For each region the share of images in which it wins a channel; 0 for other channels."""
        wins: list[Tensor] = []
        names: list[str] = []
        for seed in range(self.images):
            latents = space.sample([seed], truncation=space.usual_truncation)
            function, count = _styled(space, latents)
            eye = torch.eye(count, device=space.device)
            columns = jacobian(function, torch.zeros_like(eye[0]), eye)
            found = regions.find(space.forward(latents), PIXELS)
            names = list(found)
            masks = torch.cat([found[name] for name in names])
            wins.append(winners(columns.abs().mean(1).cpu(), masks.cpu()))
        return dict(
            zip(names, local_channels(torch.stack(wins), len(names)).unbind(1), strict=True)
        )

    def _by_probes(self, space: WSpace, regions: Regions, deviations: Tensor) -> dict[str, Tensor]:
        """For each region the share of a channel's squared gradient that is inside."""
        draw = torch.Generator().manual_seed(0)
        inside: dict[str, Tensor] = {}
        outside: dict[str, Tensor] = {}
        for seed in range(self.images):
            latents = space.sample([seed], truncation=space.usual_truncation)
            function, count = _styled(space, latents)
            # A CPU gains nothing by several at a time, and at 1024 pixels each one takes a GiB.
            at_once = 1 if space.device.type == "cpu" else self.probes
            point = torch.zeros(at_once, count, device=space.device, requires_grad=True)
            images = function(point)
            for name, (mask,) in regions.find(space.forward(latents), PIXELS).items():
                for total, where in ((inside, mask), (outside, ~mask)):
                    square = torch.zeros(count)
                    for _ in range(0, self.probes, at_once):
                        signs = torch.randint(0, 2, images.shape, generator=draw).to(images) * 2 - 1
                        (gradients,) = torch.autograd.grad(
                            (images * signs * where).sum(), point, retain_graph=True
                        )
                        square += gradients.cpu().square().sum(0) / self.probes
                    total[name] = total.get(name, 0) + square * deviations.square()
        scores = {}
        for name, energy in inside.items():
            share = energy / (energy + outside[name]).clamp_min(1e-30)
            scores[name] = torch.where(energy >= FAINT * energy.max(), share, 0.0)
        return scores


def _styled(space: WSpace, latents: Latents) -> tuple[Callable[[Tensor], Tensor], int]:
    """From shifts of all styles ``[B, K]`` to small images ``[B, 3, P, P]``, and K."""
    sizes = {slot: len(bias) for slot, (_, bias) in space.style_maps().items()}

    def function(shifts: Tensor) -> Tensor:
        rows = repeat(latents, len(shifts))
        by_slot = dict(zip(sizes, torch.split(shifts, list(sizes.values()), 1), strict=True))
        return shrink(space.forward(space.shift_styles(rows, by_slot)), PIXELS)

    return function, sum(sizes.values())


def _deviations(space: WSpace, samples: int) -> dict[str, Tensor]:
    """Standard deviations of every style over samples, ``{slot: [C]}``."""
    rows: list[dict[str, Tensor]] = []
    for start in range(0, samples, 1000):
        seeds = range(start, min(start + 1000, samples))
        rows.append(space.styles(space.sample(seeds, truncation=1.0)))
    return {slot: torch.cat([row[slot] for row in rows]).std(0).cpu() for slot in rows[0]}


def winners(gradients: Tensor, masks: Tensor) -> Tensor:
    """Which region ``[K]`` each channel's gradient map ``[K, H, W]`` overlaps most.

    ``masks`` are ``[R, H, W]`` bool. Of each map as many of the highest places are kept as a region
    of size o has; n of them lie inside, and the region scores n / o^2. -1 where there is none.
    """
    flat = gradients.flatten(1)
    order = flat.argsort(dim=1, descending=True)
    scores = torch.zeros(len(flat), len(masks))
    for r, mask in enumerate(masks.flatten(1)):
        size = int(mask.sum())
        if size:
            scores[:, r] = mask[order[:, :size]].sum(1) / size**2
    best, which = scores.max(1)
    return torch.where((best > 0) & (flat.amax(1) > 0), which, -1)


def local_channels(wins: Tensor, regions: int) -> Tensor:
    """From winners ``[N, K]`` the share of images ``[K, R]``, 0 where a channel is not local."""
    shares = torch.stack([(wins == r).float().mean(0) for r in range(regions)], 1)
    ordered = shares.sort(dim=1, descending=True).values
    second = ordered[:, 1] if regions > 1 else torch.zeros(len(shares))
    local = (ordered[:, 0] > MAJORITY) & (ordered[:, 0] - second > LEAD)
    return torch.where(local[:, None] & (shares == ordered[:, :1]), shares, 0.0)
