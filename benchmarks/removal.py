"""Removal by continuing the surroundings, beside painting the background appearance.

    python benchmarks/removal.py mini-stylegan2-faces-64 16.conv1 --n 40

Both remove the whole object from the same faces, none of which is of a fit. Printed are means with
half of their 95 % interval, over the faces and over fits of disjoint sets of samples, and those of
the difference: of the area of the parsed person that is left, over that before; of the seam, the
texture and the damage of `panda.metrics.removal.traces`.
"""

from __future__ import annotations

import argparse

import torch
from torch.nn import functional as F

from panda import create_generator, fit
from panda.editing.remove import REACH, background_color, object_map, remove
from panda.factorization.factors import Factors
from panda.generators.seeds import evaluation_seeds
from panda.metrics.parsing import FaceParser
from panda.metrics.removal import traces
from panda.metrics.roir import SIZE, small
from panda.metrics.summary import estimate


def paint(factors: Factors, x: torch.Tensor) -> torch.Tensor:
    """Return features ``[N, C, H, W]`` whose object is the sample's border, moved along ``bg``."""
    where = (object_map(factors, x) * REACH).clamp_max(1)
    return torch.lerp(x, background_color(factors, x)[:, :, None, None], where[:, None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator")
    parser.add_argument("layer")
    parser.add_argument("--n", type=int, default=40, help="the number of faces")
    parser.add_argument("--sets", type=int, default=5, help="the number of fits")
    args = parser.parse_args()
    generator = create_generator(args.generator)
    seeds = [range(300 * k, 300 * (k + 1)) for k in range(args.sets)]
    fits = [fit(generator, args.layer, seeds=some) for some in seeds]
    parse = FaceParser()

    def person(image: torch.Tensor) -> torch.Tensor:
        parsed = F.interpolate(parse(image)[:, None], (SIZE, SIZE), mode="nearest")
        return parsed[:, 0] != 0

    faces: dict[str, list[torch.Tensor]] = {"painted": [], "continued": []}
    for latents in generator.sample(evaluation_seeds(args.n)):
        state = generator.head(latents, args.layer)
        before = small(generator.tail(state, args.layer))
        inside = person(before)
        for name, method in (("painted", paint), ("continued", remove)):
            rows = []
            for factors in fits:
                changed = state.with_features(method(factors, state.x))
                after = small(generator.tail(changed, args.layer))
                left = person(after).float().mean((1, 2)) / inside.float().mean((1, 2))
                rows.append(torch.cat([left, *traces(before, after, inside).values()]))
            faces[name].append(torch.stack(rows))
    table = {name: torch.stack(values, 2) for name, values in faces.items()}  # [fits, figures, N]
    table["difference"] = table["continued"] - table["painted"]
    for name, values in table.items():
        print(name)
        for index, what in enumerate(("left", "seam before", "seam", "texture", "damage")):
            print("  {:12} {:+.3f} ± {:.3f}".format(what, *estimate(values[:, index])))


if __name__ == "__main__":
    main()
