"""What a direction of latents does everywhere, and kept inside a part.

    python benchmarks/local_directions.py mobilestylegan-ffhq-1024 32.conv2 mouth_open.npy#4-7 2 \\
        --region "mouth interior" "upper lip" "lower lip" --measure "mouth interior" --n 24

The parts are those that cover the region on other faces. Printed are means over faces that no fit
and no choice saw, with half of their 95 % interval: the effect (the change of the measured classes'
share of the image, in thousandths), the root mean square change outside the region, in thousandths
of [-1, 1], and both beside those of the direction everywhere.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torch.nn import functional as F

from panda import create_generator, edit_images, fit
from panda.evaluation.localized import covering_parts
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.parsing import FaceParser, mask, share
from panda.metrics.roir import SIZE, small
from panda.metrics.summary import estimate

AROUND = 13
"""Pixels around a region that belong to it, at 256 x 256."""


def arguments(about: str | None, n: int) -> argparse.Namespace:
    """Read the arguments of a test of one direction on ``n`` faces, if not said otherwise."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("generator")
    parser.add_argument("layer", help="of the parts")
    parser.add_argument("source", help="a change of latents, such as FILE.npy#4-7 or sefa/3")
    parser.add_argument("strength", type=float)
    parser.add_argument("--region", nargs="+", required=True, help="face classes to act in")
    parser.add_argument("--measure", nargs="+", required=True, help="face classes that change")
    parser.add_argument("--layers", nargs="*", default=[], help="later layers to act at, too")
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--n", type=int, default=n)
    return parser.parse_args()


def main() -> None:
    args = arguments(__doc__, 24)
    generator, parse = create_generator(args.generator), FaceParser()
    factors = fit(generator, args.layer, parts=args.parts, seeds=300)

    def parsed(images: Tensor) -> Tensor:
        classes = F.interpolate(parse(images)[:, None], (SIZE, SIZE), mode="nearest")
        return classes[:, 0]

    faces = [small(generator.forward(one)) for one in generator.sample(selection_seeds(16))]
    often = torch.cat([mask(parsed(face), *args.region) for face in faces]).float().mean(0)
    parts = "+".join(map(str, covering_parts(factors, often)))
    change = f"{args.source}:{args.strength:g}"
    edits = {"everywhere": f"all:{change}"}
    edits |= {f"at {at}": f"{parts}:{change}@{at}" for at in (args.layer, *args.layers)}
    rows: dict[str, list[Tensor]] = {name: [] for name in edits}
    for latents in generator.sample(evaluation_seeds(args.n)):
        before = small(generator.forward(latents))
        classes = parsed(before)
        region = mask(classes, *args.region).float()
        outside = F.max_pool2d(region, 2 * AROUND + 1, 1, AROUND) == 0
        for name, edit in edits.items():
            after = small(edit_images(generator, factors, latents, edit))
            gain = share(parsed(after), *args.measure) - share(classes, *args.measure)
            spilled = (after - before).square().mean(1)[outside].mean().sqrt()
            rows[name].append(1000 * torch.stack([gain[0], spilled]).double())
    print(f"parts {parts} of {factors.layer.name}; {args.n} faces")
    plain = torch.stack(rows["everywhere"], 1)
    for name, values in rows.items():
        effect, spilled = torch.stack(values, 1)
        kept, less = effect.mean() / plain[0].mean(), plain[1].mean() / spilled.mean()
        figures = "effect {:+.2f} ± {:.2f}, outside {:.1f} ± {:.1f}".format(
            *estimate(effect), *estimate(spilled)
        )
        print(f"{name:14} {figures}; {kept:.0%} of the effect, {less:.1f} times less outside")


if __name__ == "__main__":
    main()
