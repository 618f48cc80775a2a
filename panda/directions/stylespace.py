"""StyleSpace (Wu et al., CVPR 2021): single style channels that act in one region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, StyleChange
from panda.directions.gradients import repeat, shrink
from panda.directions.jacobian import jacobian
from panda.directions.method import Method
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, w_space
from panda.metrics.regions import Regions

PIXELS = 32
"""Width of the images whose gradients are taken."""

MAJORITY, LEAD = 0.5, 0.25
"""A channel is local if its region wins in more than this share of images, with this lead."""

FAINT = 0.01
"""A channel is left out if its energy in a region is below this share of the strongest one's."""


@dataclass(frozen=True)
class StyleSpace(Method):
    """Style channels whose gradient lies in one region.

    Without probes, as its authors do it, from the whole Jacobian of all images: by far the most
    costly of all fits. With probes, the squared gradient inside and outside each region is
    estimated from random combinations of pixels, each of which gives all channels by one backward
    pass, and channels are ranked by the share of it that is inside. A strength counts standard
    deviations.

    Source: arXiv 2011.12799, section 4; ``align_mask.py`` and ``semantic_channel.py`` of the
    released code.

    Attributes:
        images: Images whose gradients are taken.
        samples: Samples for the standard deviations of styles.
        probes: Random combinations of pixels for each region and image; 0 for the whole Jacobian.
        channels: Channels for each region.
    """

    name = "stylespace"
    source = "arXiv 2011.12799"
    images: int = 1000
    samples: int = 5000
    probes: int = 0
    channels: int = 40

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`."""
        space = w_space(generator, "StyleSpace")
        deviations = style_deviations(space, self.samples)
        score = self._by_probes if self.probes else self._by_jacobian
        places = [(slot, k) for slot, row in deviations.items() for k in range(len(row))]
        edits: dict[str, Change] = {}
        for region, scores in score(space, regions, torch.cat(list(deviations.values()))).items():
            best = scores.argsort(descending=True)[: self.channels]
            for slot, k in (places[i] for i in best.tolist() if scores[i] > 0):
                unit = float(deviations[slot][k])
                edits[f"{region}: {slot} {k}"] = StyleChange(slot, k, unit)
        return edits

    def _by_jacobian(
        self, space: WSpace, regions: Regions, deviations: Tensor
    ) -> dict[str, Tensor]:
        """Return for each region the share ``[K]`` of images in which it wins a local channel."""
        wins: list[Tensor] = []
        names: list[str] = []
        for seed in range(self.images):
            latents = space.sample([seed], truncation=space.usual_truncation)
            function, count = _styled(space, latents)
            eye = torch.eye(count, device=space.device)
            columns = jacobian(function, torch.zeros_like(eye[0]), eye)
            by_name = regions.find(space.forward(latents), PIXELS)
            names = list(by_name)
            masks = torch.cat(list(by_name.values()))
            wins.append(winners(columns.abs().mean(1).cpu(), masks.cpu()))
        return dict(
            zip(names, local_channels(torch.stack(wins), len(names)).unbind(1), strict=True)
        )

    def _by_probes(self, space: WSpace, regions: Regions, deviations: Tensor) -> dict[str, Tensor]:
        """Return for each region the share ``[K]`` of a channel's squared gradient inside."""
        draw = torch.Generator().manual_seed(0)
        inside: dict[str, Tensor] = {}
        outside: dict[str, Tensor] = {}
        for seed in range(self.images):
            latents = space.sample([seed], truncation=space.usual_truncation)
            function, count = _styled(space, latents)
            # A CPU gains nothing by several at a time, and at 1024 pixels each takes a GiB.
            batch = 1 if space.device.type == "cpu" else self.probes
            point = torch.zeros(batch, count, device=space.device, requires_grad=True)
            images = function(point)
            for name, (mask,) in regions.find(space.forward(latents), PIXELS).items():
                for total, where in ((inside, mask), (outside, ~mask)):
                    square = torch.zeros(count)
                    for _ in range(0, self.probes, batch):
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
    """Return the function from shifts of all styles ``[B, K]`` to small images, and K."""
    sizes = {slot: len(bias) for slot, (_, bias) in space.style_maps().items()}

    def function(shifts: Tensor) -> Tensor:
        rows = repeat(latents, len(shifts))
        by_slot = dict(zip(sizes, torch.split(shifts, list(sizes.values()), 1), strict=True))
        return shrink(space.forward(space.shift_styles(rows, by_slot)), PIXELS)

    return function, sum(sizes.values())


def style_deviations(space: WSpace, samples: int) -> dict[str, Tensor]:
    """Return the standard deviations of every style over samples, ``{slot: [C]}``."""
    rows: list[dict[str, Tensor]] = []
    for start in range(0, samples, 1000):
        seeds = range(start, min(start + 1000, samples))
        rows.append(space.styles(space.sample(seeds, truncation=1.0)))
    return {slot: torch.cat([row[slot] for row in rows]).std(0).cpu() for slot in rows[0]}


def winners(gradients: Tensor, masks: Tensor) -> Tensor:
    """Return the number ``[K]`` of the region that each channel's gradient overlaps most.

    Of a map, the o highest positions are taken, where o is the size of a region; if n of them lie
    inside, the region scores n / o^2. The number is -1 where no region scores.

    Args:
        gradients: Maps ``[K, H, W]``.
        masks: Regions ``[R, H, W]`` bool.
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
    """Return the share ``[K, R]`` of images in which a region wins a channel, 0 if it is not local.

    Args:
        wins: The `winners` of N images, ``[N, K]``.
        regions: R.
    """
    shares = torch.stack([(wins == r).float().mean(0) for r in range(regions)], 1)
    ordered = shares.sort(dim=1, descending=True).values
    second = ordered[:, 1] if regions > 1 else torch.zeros(len(shares))
    local = (ordered[:, 0] > MAJORITY) & (ordered[:, 0] - second > LEAD)
    return torch.where(local[:, None] & (shares == ordered[:, :1]), shares, 0.0)
