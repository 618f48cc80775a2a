"""How odd parts of samples and of edits are, beside whether a parser still sees the face.

    python benchmarks/broken_edits.py mini-proggan-faces-64 mini-stylegan-faces-64

Parts are compared with 20 samples (`panda.naming.realism`). Printed are quantiles of the oddness of
80 other samples, over all parts; and for edits of each part's first appearance, by strength, the
share of pictures that are odder than the bound and the share whose face is gone.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from panda import create_generator, fit
from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.metrics.faces import show_face
from panda.metrics.parsing import FaceParser
from panda.metrics.roir import small
from panda.naming.realism import ODD, Realism

QUANTILES = 0.5, 0.99, 0.998, 1.0
FIRST, SAMPLES, OTHERS, EDITED = 200, 20, 80, 3
STRENGTHS = 4, 8, 16, 32
SIZE = 384


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("generators", nargs="+")
    parser.add_argument("--no-faces", action="store_true", help="the samples are no faces")
    parser.add_argument("--parts", type=int, default=6)
    args = parser.parse_args()
    parse = None if args.no_faces else FaceParser()
    for name in args.generators:
        generator = create_generator(name)
        layer, psi = generator.layer_near(16).name, generator.usual_truncation
        factors = fit(generator, layer, parts=args.parts, seeds=range(FIRST))
        latents = generator.sample(range(FIRST, FIRST + SAMPLES + OTHERS), truncation=psi)
        images = torch.cat([small(generator.forward(one)) for one in latents])
        parts = [Realism.of(images[:SAMPLES], mask) for mask in factors.masks]
        odd = torch.stack([part.oddness(images[SAMPLES:]) for part in parts]).flatten()
        points = odd.quantile(torch.tensor(QUANTILES).double()).tolist()
        listed = ", ".join(f"{q:g}: {v:.2f}" for q, v in zip(QUANTILES, points, strict=True))
        print(f"{name} {layer}: quantiles of {len(odd)} parts of samples {listed}")
        state = generator.head(latents[:EDITED], layer)
        faces = parse and show_face(parse(images[:EDITED], SIZE))
        for strength in STRENGTHS:
            beyond: list[Tensor] = []
            gone: list[Tensor] = []
            for part, realism in enumerate(parts):
                axis = f"p{factors.stable_axes(part)[0]}"
                if factors.vector(axis, (part,))[1] == 0:
                    continue
                for sign in (1, -1):
                    edit = Edit((part,), axis, sign * strength, sigma=True)
                    x = state.x + direction(factors, [edit]).to(state.x)
                    edited = small(generator.tail(state.with_features(x), layer))
                    beyond.append(realism.oddness(edited) > ODD)
                    if parse and faces is not None:
                        gone.append(~show_face(parse(edited, SIZE))[faces])
            text = f"  {strength:>2} sd: {torch.cat(beyond).double().mean():.2f} odd"
            if gone:
                text += f", {torch.cat(gone).double().mean():.2f} without a face"
            print(f"{text}, of {len(torch.cat(beyond))}", flush=True)


if __name__ == "__main__":
    main()
