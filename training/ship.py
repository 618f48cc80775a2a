"""Put a trained generator into the package: ``python -m training.ship stylegan2``.

The weights, and beside them what its card says: what it was trained on, and the ``figures.json``
that ``python -m training.measure`` wrote to the folder of the run.
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

from .mini import FACTS
from .students import STUDENTS

WORST_FID, FEWEST_WHOLE = 60.0, 0.8
"""No generator beyond these, without truncation, is shipped."""


def main() -> None:
    """Check the figures, copy the weights, write the facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", choices=STUDENTS)
    parser.add_argument("--folder", type=Path, help="of the run")
    options = parser.parse_args()
    run = options.folder or home() / "training" / options.architecture
    figures = json.loads((run / "figures.json").read_text())
    if figures["fid"] > WORST_FID or figures["whole"]["1"] < FEWEST_WHOLE:
        raise SystemExit(f"not good enough to be shipped: {figures}")
    weights = run / "generator.safetensors"
    figures.pop("generator")  # a path of the machine that measured it
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
