"""How the mask of a local direction decides what is kept and what spills: layer, growth, softness.

    python benchmarks/local_masks.py mobilestylegan-ffhq-1024 32.conv2 mouth_open.npy#4-7 2 \\
        --region "mouth interior" "upper lip" "lower lip" --measure "mouth interior" --n 12

The mask of the parts is multiplied by a factor and clipped to one (1 leaves it as it is), perhaps
blurred before by a Gaussian, whose deviation is in positions of the layer of the parts. Printed are
means over faces that no fit and no choice saw, with half of their 95 % interval: the share of the
plain effect that is kept, and the change outside the region for the kept effect, times that of the
plain direction.
"""

from __future__ import annotations

import torch
from local_directions import AROUND, arguments
from torch import Tensor
from torch.nn import functional as F

from panda import create_generator, fit
from panda.editing.places import fit_layer
from panda.editing.remove import part_map
from panda.editing.sources import find_source
from panda.evaluation.localized import covering_parts
from panda.generators.contract import on_canvas
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.parsing import FaceParser, mask, share
from panda.metrics.roir import SIZE, small
from panda.metrics.summary import ratio

FACTORS = 1.0, 1.5, 2.0, 3.0
BLURS = 0.0, 0.7, 1.5


def main() -> None:
    args = arguments(__doc__, 12)
    generator, parse = create_generator(args.generator), FaceParser()
    factors = fit(generator, args.layer, parts=args.parts, seeds=300)
    change = find_source(args.source, generator)

    def parsed(image: Tensor) -> Tensor:
        classes = F.interpolate(parse(image)[:, None], (SIZE, SIZE), mode="nearest")
        return classes[:, 0]

    faces = [small(generator.forward(one)) for one in generator.sample(selection_seeds(16))]
    often = torch.cat([mask(parsed(face), *args.region) for face in faces]).float().mean(0)
    whole = part_map(factors, covering_parts(factors, often))
    rows: dict[str, list[Tensor]] = {}
    for latents in generator.sample(evaluation_seeds(args.n)):
        image = small(generator.forward(latents))
        classes = parsed(image)
        outside = F.max_pool2d(mask(classes, *args.region).float(), 2 * AROUND + 1, 1, AROUND) == 0
        moved = change.moved(generator, latents, torch.tensor([args.strength]))
        images = {"everywhere": generator.forward(moved)}
        for name in (args.layer, *args.layers):
            state = generator.head(latents, name)
            difference = generator.head(moved, name).x - state.x
            for blur in BLURS:
                where = blurred(whole, blur)
                if name != args.layer:
                    where = fit_layer(on_canvas(where, factors.layer), generator.layer(name))
                for factor in FACTORS:
                    inside = (where * factor).clamp_max(1)[:, None]
                    mixed = state.with_features(state.x + inside * difference)
                    images[f"{name:10} {factor:>4} {blur:>5}"] = generator.tail(mixed, name)
        for name, edited in images.items():
            after = small(edited)
            gain = share(parsed(after), *args.measure) - share(classes, *args.measure)
            spilled = (after - image).square().mean(1)[outside].mean().sqrt()
            rows.setdefault(name, []).append(torch.stack([gain[0], spilled]).double())
    gains, spills = torch.stack(rows.pop("everywhere"), 1)
    print(
        f"everywhere: effect {1000 * gains.mean():.2f}, outside {1000 * spills.mean():.1f} (10^-3)"
    )
    print(
        f"{'layer':10} {'times':>4} {'blur':>5}  effect kept   outside for the effect, times plain"
    )
    for name, values in rows.items():
        gain, spilled = torch.stack(values, 1)
        (kept, half), (less, around) = ratio(gain, gains), ratio(spilled, spills)
        print(f"{name}  {kept:.2f} ± {half:.2f}   {less / kept:.3f} ± {around / kept:.3f}")


def blurred(where: Tensor, deviation: float) -> Tensor:
    """Return maps ``[N, H, W]`` blurred by a Gaussian."""
    if deviation == 0:
        return where
    reach = max(1, round(3 * deviation))
    steps = torch.arange(-reach, reach + 1) / deviation
    kernel = torch.exp(-steps.square() / 2)
    kernel = (kernel / kernel.sum()).to(where)
    padded = F.pad(where[:, None], (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]


if __name__ == "__main__":
    main()
