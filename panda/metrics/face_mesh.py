"""Landmarks of faces by MediaPipe's face mesh, and measures of a face in them.

The networks chose none of a generator's parts or directions, so that they can say what an edit did
to a face. The steps are MediaPipe's: the face with the highest score is detected, the square around
it is turned until the eyes are level, and the landmarks are found there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.metrics.checks import as_squares
from panda.metrics.face_networks import (
    CROPPED,
    DETECTED,
    DETECTOR,
    MESH,
    POINTS,
    FaceNetworks,
    read_networks,
)
from panda.weights import ModelWeights, PipWheel

WEIGHTS = ModelWeights(
    "mediapipe-face-mesh",
    PipWheel(
        "mediapipe",
        "0.10.14",
        sha256="a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
        size=35_700_000,
        members=(
            f"mediapipe/modules/face_detection/{DETECTOR}",
            f"mediapipe/modules/face_landmark/{MESH}",
        ),
        tag="cp311-cp311-manylinux2014_x86_64",
    ),
    dict,
    read=read_networks,
)

LEAST = 0.5
"""The least score of a detected face, and of landmarks; MediaPipe's own."""

SAME = 0.3
"""The least overlap (IoU) with the best box, of boxes whose weighted mean is the face."""

AROUND = 1.5
"""How much larger than the box of a face the square is in which its landmarks are found."""


OUTER = 33, 263
"""Landmarks: the outer corners of the eyes, left in the image first."""

CORNERS = 33, 133, 362, 263
"""All corners of the eyes, from left to right."""

BROWS = 105, 334
"""The middles of the brows' upper edges."""


class FaceMesh:
    """MediaPipe's face mesh; its weights (36 MB, Apache-2.0) are fetched once, 5 MB are kept.

    Raises:
        PandaError: Where the weights cannot be fetched.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        network = WEIGHTS.load(FaceNetworks, self.device)
        assert isinstance(network, FaceNetworks)
        self.network = network

    def __call__(self, images: Tensor) -> Tensor:
        """Return the landmarks of the face with the highest score in each image.

        Args:
            images: ``[N, channels, H, W]`` in [-1, 1] (clamped). One that is not square is looked
                at in the middle of a gray square of its longer side.

        Returns:
            ``[N, 478, 2]`` float32: x to the right and y down, 0 to 1 from side to side of the
            square; NaN where there is no face. Points 468 to 472 are of the iris that is left in
            the image, its center first, 473 to 477 of the other one.

        Raises:
            PandaError: Where the shape is another or a value is NaN.
        """
        images = as_squares(images).to(self.device, torch.float32).clamp(-1, 1)
        landmarks = images.new_full((len(images), POINTS, 2), torch.nan)
        squares, seen = self._squares(images)
        if seen.any():
            center, way = squares[seen, :1], squares[seen, 1:]
            places, presence = self.network.mesh(
                _sample(images[seen], center, way, CROPPED).add(1).div(2)
            )
            found = torch.view_as_real(center + (places / CROPPED - complex(0.5, 0.5)) * way)
            found[presence.sigmoid() <= LEAST] = torch.nan
            landmarks[seen] = found
        return landmarks

    def _squares(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return where squares around faces are, ``[N, 2]``, and whether there is a face.

        A square is its center and the way along its upper side, ``x + iy`` in shares of the image.
        """
        whole = images.new_tensor([[0.5 + 0.5j, 1]], dtype=torch.complex64).expand(len(images), 2)
        shrunk = _sample(images, whole[:, :1], whole[:, 1:], DETECTED)
        faces, seen = best_faces(*self.network.detector(shrunk))
        places = torch.view_as_complex(faces)
        across = places[:, 3] - places[:, 2]  # from eye to eye
        size = faces[:, 1].amax(1) * AROUND
        return torch.stack([places[:, 0], across.sgn() * size], 1), seen


def best_faces(values: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the face with the highest score in each image.

    Args:
        values: Center, size and points at each anchor, ``[N, A, P, 2]``.
        logits: Of the scores, ``[N, A]``.

    Returns:
        Center, size and points, ``[N, P, 2]``: means, weighted by score, of all detections that
        overlap with the best one; and where there is any, ``[N]`` bool.
    """
    scores = logits.clamp(-100, 100).sigmoid()
    best, index = scores.max(1)
    low, high = values[:, :, 0] - values[:, :, 1] / 2, values[:, :, 0] + values[:, :, 1] / 2
    rows = torch.arange(len(values), device=values.device)
    first_low, first_high = low[rows, index][:, None], high[rows, index][:, None]
    common = (torch.minimum(high, first_high) - torch.maximum(low, first_low)).clamp_min(0).prod(-1)
    union = (high - low).prod(-1) + (first_high - first_low).prod(-1) - common
    same = (common > SAME * union) & (scores >= LEAST)
    weights = (scores * same)[..., None, None]
    mean: Tensor = (values * weights).sum(1) / weights.sum(1).clamp_min(1e-6)
    return mean, best >= LEAST


def _sample(images: Tensor, center: Tensor, way: Tensor, pixels: int) -> Tensor:
    """Return squares of images ``[N, 3, R, R]``, turned upright, ``[N, 3, pixels, pixels]``.

    As in MediaPipe, pixels are picked, not averaged, and the grid is that of whole pixels. Beyond
    the image is what is at its border.

    Args:
        images: The images.
        center: The squares' centers, ``[N, 1]``, ``x + iy`` in shares of the image.
        way: The ways along their upper sides, likewise.
        pixels: Width and height of the results.
    """
    steps = torch.arange(pixels, device=images.device) / pixels - 0.5
    grid = torch.complex(*torch.meshgrid(steps, steps, indexing="xy")).flatten()
    places = torch.view_as_real(center + grid * way).reshape(-1, pixels, pixels, 2)
    size = images.shape[-1]
    scaled = places * (2 * size / max(1, size - 1)) - 1
    return F.grid_sample(images, scaled, align_corners=True, padding_mode="border")


def mesh_measures(landmarks: Tensor) -> dict[str, Tensor]:
    """Measure faces, in units of the distance between the outer corners of the eyes.

    Lengths are along the line between these corners or across it, so that a tilted head measures
    like an upright one. A head that turns or nods has smaller ones. Without irises there is no
    gaze.

    Args:
        landmarks: ``[N, 478, 2]`` of square images, or ``[N, 468, 2]`` without irises.

    Returns:
        Each ``[N]``, NaN without a face:

        - ``eye opening``: from lid to lid, the mean of both eyes.
        - ``mouth opening``: between the inner edges of the lips.
        - ``mouth width``: from corner to corner.
        - ``corner rise``: how far the corners of the mouth are above its middle.
        - ``nose width``: from wing to wing.
        - ``nose length``: from between the eyes to below the nose.
        - ``brow height``: of the middles of the brows over the middles of the eyes.
        - ``gaze x``: where irises are between the corners of their eyes, from -0.5 (left) to 0.5.
        - ``gaze y``: how far they are below the line between these corners, in widths of an eye.

    Raises:
        PandaError: Where the shape is another.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] not in ((468, 2), (POINTS, 2)):
        raise PandaError(
            f"landmarks of shape {list(landmarks.shape)}, expected [N, 478, 2] or [N, 468, 2]"
        )
    points = torch.view_as_complex(landmarks.double().contiguous())
    across = points[:, OUTER[1]] - points[:, OUTER[0]]
    # From here on, the outer corners are 0 and 1.
    points = (points - points[:, OUTER[:1]]) / across[:, None]

    def middle(*numbers: int) -> Tensor:
        return points[:, list(numbers)].mean(1)

    def between(a: int, b: int) -> Tensor:
        return (points[:, a] - points[:, b]).abs()

    measures = {
        "eye opening": (between(159, 145) + between(386, 374)) / 2,
        "mouth opening": between(13, 14),
        "mouth width": between(61, 291),
        "corner rise": (middle(13, 14) - middle(61, 291)).imag,
        "nose width": between(129, 358),
        "nose length": between(168, 2),
        "brow height": (middle(*CORNERS) - middle(*BROWS)).imag,
    }
    if points.shape[1] == POINTS:
        gaze = (_gaze(points, 468, 33, 133) + _gaze(points, 473, 362, 263)) / 2
        measures |= {"gaze x": gaze.real, "gaze y": gaze.imag}
    return {name: values.to(landmarks.dtype) for name, values in measures.items()}


def _gaze(points: Tensor, iris: int, left: int, right: int) -> Tensor:
    """Return where the center of an iris is from the middle of its eye, in widths of the eye."""
    corners = points[:, left], points[:, right]
    return (points[:, iris] - (corners[0] + corners[1]) / 2) / (corners[1] - corners[0])
