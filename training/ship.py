"""Copy a trained generator into the package: ``python -m training.ship stylegan2``.

Writes the weights and, beside them, a JSON file for the card: how the generator was trained, its
layers, and the ``figures.json`` that ``python -m training.measure`` wrote to the run's folder.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from panda import create_generator
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.files.cache import home
from panda.files.writing import staging
from panda_plugins.minis import ARCHITECTURES

from .mini import FACTS

MAX_FID, MIN_WHOLE = 60.0, 0.8
"""Generators with a higher FID or a lower share of whole faces, without truncation, are refused."""

MIN_WHOLE_OF = {"diffusion": 0.5}
"""Lower shares for some: this one had an hour on a share of two busy cores, and 5000 faces."""


def main() -> None:
    """Check the figures, copy the weights and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("--folder", type=Path, help="folder of the run")
    options = parser.parse_args()
    run = options.folder or home() / "training" / options.architecture
    figures = json.loads((run / "figures.json").read_text())
    whole = MIN_WHOLE_OF.get(options.architecture, MIN_WHOLE)
    if figures["fid"] > MAX_FID or figures["whole"]["1"] < whole:
        raise SystemExit(
            f"expected an FID of at most {MAX_FID:g} and at least {whole:.0%} whole faces"
            f" without truncation, but measured {figures}"
        )
    weights = run / "generator.safetensors"
    figures.pop("generator")  # a path on the machine that measured it
    facts = {
        **json.loads((run / FACTS).read_text()),
        "figures": figures,
        "layers": [asdict(layer) for layer in create_generator(weights).layers.values()],
    }
    target = Path(__file__).parents[1] / "plugins" / "panda_plugins" / "minis"
    name = f"mini-{options.architecture}-faces-64"
    with staging(target / f"{name}.safetensors") as path:
        save_checkpoint(path, read_checkpoint(weights))
    with staging(target / f"{name}.json") as path:
        path.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
