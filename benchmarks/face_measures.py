"""How far measures of faces can be trusted: agreement, noise, time.

    python benchmarks/face_measures.py mobilestylegan-ffhq-1024 --n 40 --save FACES

Printed are, over random samples: CPU time for a face; how much each measure of the landmarks varies
between faces; how much of that it varies (standard deviations) where the same face is moved by 4 of
1024 pixels, shrunk, or made brighter, of which an ideal measure would see nothing; and how far the
descriptors of the same face and of different people are apart.

``--save`` writes the faces as PNG, from which MediaPipe and dlib can make references where they are
installed; ``--reference`` takes these, and prints how far they are away, landmarks in shares of the
distance between the outer corners of the eyes. A reference is a .npz with ``landmarks``
``[N, 478, 2]`` (`mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True,
refine_landmarks=True)`), ``descriptors`` ``[N, 128]`` (`dlib.face_recognition_model_v1`, of
`shape_predictor_5_face_landmarks` in `get_frontal_face_detector`'s best box), or both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda import create_generator
from panda.generators.seeds import evaluation_seeds
from panda.images import save_picture, to_picture
from panda.metrics.face_mesh import FaceMesh, mesh_measures
from panda.metrics.identity import SAME_PERSON, Identity, identity_distance
from panda.metrics.summary import estimate


def shrunk(size: int) -> Callable[[Tensor], Tensor]:
    return lambda images: F.interpolate(images, size, mode="bilinear", antialias=True)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "moved by 4/1024": lambda images: images.roll((images.shape[-1] // 256,) * 2, (2, 3)),
    "shrunk to 512": shrunk(512),
    "shrunk to 256": shrunk(256),
    "brighter by 0.1": lambda images: (images + 0.1).clamp(-1, 1),
}


def faces(name: str, n: int) -> Tensor:
    """Return samples ``[N, 3, R, R]``, rounded to the levels of a file."""
    generator = create_generator(name)
    images = torch.cat([generator(latents) for latents in generator.sample(evaluation_seeds(n))])
    return images.clamp(-1, 1).add(1).mul(127.5).round() / 127.5 - 1


def timed(measure: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, float]:
    """Return what one image at a time gives, and CPU seconds for one."""
    measure(images[:1])
    start = time.process_time()
    result = torch.cat([measure(image[None]) for image in images])
    return result, (time.process_time() - start) / len(images)


def compare(reference: Path, landmarks: Tensor, descriptors: Tensor) -> None:
    """Print how far references are away."""
    with np.load(reference) as file:
        kept = {name: torch.from_numpy(file[name]).float() for name in file.files}
    if "landmarks" in kept:
        expected = kept["landmarks"]
        eyes = (expected[:, 263] - expected[:, 33]).norm(dim=1)
        far = (landmarks - expected).norm(dim=2) / eyes[:, None]
        print(f"MediaPipe: landmarks {far.nanmean():.5f} away, at most {far[far == far].max():.5f}")
    if "descriptors" in kept:
        expected = kept["descriptors"]
        print("dlib: descriptors {:.3f} ± {:.3f} away".format(*apart(descriptors, expected)))
        pairs = torch.pdist(descriptors), torch.pdist(expected)
        correlation = torch.corrcoef(torch.stack(pairs))[0, 1]
        off = (pairs[0] - pairs[1]).abs().mean()
        print(f"dlib: distances of pairs are {off:.3f} away, correlation {correlation:.3f}")


def apart(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Return the mean distance of two sets of descriptors, and half of its 95 % interval."""
    return estimate(identity_distance(a, b)[None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator")
    parser.add_argument("--n", type=int, default=40, help="the number of faces")
    parser.add_argument("--save", type=Path, help="a folder for the faces")
    parser.add_argument("--reference", type=Path, help="what MediaPipe and dlib say of them")
    args = parser.parse_args()
    images = faces(args.generator, args.n)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(images):
            save_picture(to_picture(image), args.save / f"{index:04}.png")
    mesh = FaceMesh()
    identity = Identity(mesh=mesh)
    landmarks, seconds = timed(mesh, images)
    print(
        f"landmarks: {1e3 * seconds:.0f} CPU ms a face, {landmarks[:, 0, 0].isnan().sum()} missed"
    )
    descriptors, seconds = timed(identity, images)
    print(f"landmarks and identity: {1e3 * seconds:.0f} CPU ms a face")
    before = mesh_measures(landmarks)
    print("varies between faces")
    for name, values in before.items():
        print(f"  {name:14} {values.nanmean():+.3f} ± {np.nanstd(values):.3f}")
    for what, change in CHANGES.items():
        changed = change(images)
        after = mesh_measures(mesh(changed))
        print("{}: identity {:.3f} ± {:.3f}".format(what, *apart(descriptors, identity(changed))))
        for name, values in before.items():
            print(f"  {name:14} {np.nanstd(after[name] - values) / np.nanstd(values):.2f}")
    pairs = torch.pdist(descriptors)
    print(
        f"different people: {pairs.nanmean():.3f} apart, {(pairs < SAME_PERSON).float().mean():.3f}"
        f" of the pairs under {SAME_PERSON}"
    )
    if args.reference:
        compare(args.reference, landmarks, descriptors)


if __name__ == "__main__":
    main()
