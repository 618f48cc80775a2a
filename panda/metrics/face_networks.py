"""The networks of MediaPipe's face mesh: a detector of faces and a network of landmarks.

The detector is BlazeFace (Bazarevsky et al., arXiv 1907.05047), its short-range variant. The
landmarks are those of Attention Mesh (Grishchenko et al., arXiv 2006.10962): a mesh of 468 points,
then lips and eyes again at a higher resolution, with irises.
"""

from __future__ import annotations

from itertools import chain, pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.checkpoints.tflite import read_tflite
from panda.errors import PandaError

DETECTOR, MESH = "face_detection_short_range.tflite", "face_landmark_with_attention.tflite"

DETECTED, CROPPED = 128, 192
"""Pixels of the images that the detector and the network of landmarks take."""

POINTS = 478
"""Landmarks: 468 of the mesh, then five of each iris, its center first."""


def _points(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


LIPS = _points(
    "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 78 95 88 178 87 14 317"
    " 402 318 324 308 191 80 81 82 13 312 311 310 415 76 77 90 180 85 16 315 404 320 307 306 184"
    " 74 73 72 11 302 303 304 408 62 96 89 179 86 15 316 403 319 325 292 183 42 41 38 12 268 271"
    " 272 407"
)
"""Landmarks of the mesh that are found again for the lips, in the order of the network."""

LEFT = _points(
    "33 7 163 144 145 153 154 155 133 246 161 160 159 158 157 173 130 25 110 24 23 22 26 112 243"
    " 247 30 29 27 28 56 190 226 31 228 229 230 231 232 233 244 113 225 224 223 222 221 189 35 124"
    " 46 53 52 65 143 111 117 118 119 120 121 128 245 156 70 63 105 66 107 55 193"
)
"""Likewise for the eye and the brow that are left in the image."""

RIGHT = _points(
    "263 249 390 373 374 380 381 382 362 466 388 387 386 385 384 398 359 255 339 254 253 252 256"
    " 341 463 467 260 259 257 258 286 414 446 261 448 449 450 451 452 453 464 342 445 444 443 442"
    " 441 413 265 353 276 283 282 295 372 340 346 347 348 349 350 357 465 383 300 293 334 296 336"
    " 285 417"
)
"""Likewise for those that are right."""

LEFT_IRIS, RIGHT_IRIS = tuple(range(468, 473)), tuple(range(473, POINTS))

ENLARGED = 1.5
"""How much larger than its landmarks the region is in which they are found again."""

FINE, SPAN = 16, 64
"""Positions across such a region, and the units in which its landmarks are given."""


class Block(nn.Module):
    """Depthwise and pointwise convolutions beside a path that keeps, pools and pads what it is."""

    def __init__(self, before: int, after: int, stride: int = 1, *, leaky: bool = True) -> None:
        super().__init__()
        self.stride, self.added = stride, after - before
        self.depthwise = nn.Conv2d(before, before, 3, stride, 2 - stride, groups=before)
        self.pointwise = nn.Conv2d(before, after, 1)
        self.activation = nn.PReLU(after) if leaky else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, after, H / stride, W / stride]``."""
        if self.stride == 1:
            y, kept = self.depthwise(x), x
        else:
            # Strided convolutions of TensorFlow pad below and to the right alone.
            y, kept = self.depthwise(F.pad(x, (0, 1, 0, 1))), F.max_pool2d(x, 2)
        kept = F.pad(kept, (0, 0, 0, 0, 0, self.added))
        activated: Tensor = self.activation(self.pointwise(y) + kept)
        return activated


class Detector(nn.Module):
    """BlazeFace: a score, a box and six points at each of 896 anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, 2)
        widths = (24, 24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88)
        self.fine = nn.Sequential(
            *(
                Block(before, after, 2 if place in (2, 5) else 1, leaky=False)
                for place, (before, after) in enumerate(pairwise(widths))
            )
        )
        self.coarse = nn.Sequential(
            Block(88, 96, 2, leaky=False), *(Block(96, 96, leaky=False) for _ in range(4))
        )
        self.fine_boxes, self.coarse_boxes = nn.Conv2d(88, 32, 1), nn.Conv2d(96, 96, 1)
        self.fine_scores, self.coarse_scores = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Detect faces.

        Args:
            images: ``[N, 3, 128, 128]`` in [-1, 1].

        Returns:
            ``[N, 896, 8, 2]``: the center of a box, its size and six points (the first two are the
            eyes), x and y, in shares of the image; and the logits of the scores, ``[N, 896]``.
        """
        fine = self.fine(F.relu(self.stem(F.pad(images, (1, 2, 1, 2)))))
        coarse = self.coarse(fine)
        boxes = _at_anchors(self.fine_boxes(fine), 16), _at_anchors(self.coarse_boxes(coarse), 16)
        scores = _at_anchors(self.fine_scores(fine), 1), _at_anchors(self.coarse_scores(coarse), 1)
        anchors = torch.cat([_anchors(16, 2), _anchors(8, 6)]).to(images.device)
        found = torch.cat(boxes, 1).reshape(len(images), -1, 8, 2) / DETECTED
        # The size, at 1, is no place.
        places = torch.tensor([1, 0, 1, 1, 1, 1, 1, 1], device=images.device)[:, None]
        return found + anchors[:, None] * places, torch.cat(scores, 1)[..., 0]


def _at_anchors(maps: Tensor, values: int) -> Tensor:
    """Return what maps ``[N, A * values, H, W]`` say of each anchor, ``[N, H * W * A, values]``."""
    return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, values)


def _anchors(size: int, each: int) -> Tensor:
    """Return the middles of positions, x and y, each several times, ``[S * S * each, 2]``."""
    place = (torch.arange(size) + 0.5) / size
    grid = torch.stack(torch.meshgrid(place, place, indexing="xy"), -1)
    return grid.reshape(-1, 1, 2).expand(-1, each, 2).reshape(-1, 2)


class Branch(nn.Module):
    """From features of 4 x 4 positions of a region to its landmarks."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(Block(128, 128, stride) for stride in (1, 1, 2, 1, 1)),
            nn.Conv2d(128, 32, 1),
            nn.PReLU(32),
            Block(32, 32),
            nn.Conv2d(32, 2 * points, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return places ``x + iy`` in 0 .. `SPAN`, ``[N, points]``."""
        values: Tensor = self.blocks(x)
        return torch.view_as_complex(values.reshape(len(x), -1, 2).contiguous())


def _region() -> nn.Sequential:
    """Return the network from a region's features to 4 x 4 positions."""
    steps = ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1), (64, 128, 2))
    return nn.Sequential(*(Block(*step) for step in steps))


class AttentionMesh(nn.Module):
    """The 478 landmarks of a face that fills an upright image.

    Modules are in the order of the published file's outputs, by which its weights are assigned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.PReLU(16))
        self.shallow = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 32, 2))
        widths = ((32, 64), (64, 128), (128, 128), (128, 128))
        deep = [(Block(a, a), Block(a, a), Block(a, b, 2)) for a, b in widths]
        self.deep = nn.Sequential(
            *chain.from_iterable(deep),
            Block(128, 128),
            Block(128, 128),
            nn.Conv2d(128, 32, 1),
            nn.PReLU(32),
            Block(32, 32),
        )
        self.mesh = nn.Conv2d(32, 3 * 468, 3)
        self.lips_region, self.lips = _region(), Branch(len(LIPS))
        self.left_region, self.left = _region(), Branch(len(LEFT))
        self.right_region, self.right = _region(), Branch(len(RIGHT))
        self.left_iris, self.right_iris = Branch(5), Branch(5)
        self.presence = nn.Conv2d(32, 1, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find landmarks.

        Args:
            images: ``[N, 3, 192, 192]`` in [0, 1].

        Returns:
            Places in pixels of these images, ``x + iy``, ``[N, 478]``, and the logits of there
            being a face, ``[N]``.
        """
        shallow = self.shallow(self.stem(F.pad(images, (0, 1, 0, 1))))
        deep = self.deep(shallow)
        mesh = self.mesh(deep).reshape(len(images), 468, 3)[..., :2]
        places = torch.view_as_complex(mesh.contiguous())
        found = torch.cat([places, places.new_zeros(len(images), POINTS - 468)], 1)
        lips, left, right = (self.lips,), (self.left, self.left_iris), (self.right, self.right_iris)
        parts = (
            (LIPS, (61, 291), self.lips_region, lips, (LIPS,)),
            (LEFT, (33, 133), self.left_region, left, (LEFT, LEFT_IRIS)),
            (RIGHT, (362, 263), self.right_region, right, (RIGHT, RIGHT_IRIS)),
        )
        for points, corners, network, branches, targets in parts:
            center, size, along = _box(places, points, corners)
            features = network(_crop(shallow, center, size, along))
            for branch, numbers in zip(branches, targets, strict=True):
                offset = branch(features) / SPAN - complex(0.5, 0.5)
                found[:, numbers] = center + _scaled(offset, size) * along
        return found, self.presence(deep).flatten()


def _box(
    places: Tensor, points: tuple[int, ...], corners: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the box around landmarks: center, size and direction, ``[N, 1]``, complex.

    It is upright where the line between the corners is level; sizes are `ENLARGED`.
    """
    across = places[:, corners[1]] - places[:, corners[0]]
    along = across.sgn()[:, None]
    turned = places[:, points] * along.conj_physical()
    parts = torch.view_as_real(turned)
    low, high = (torch.view_as_complex(x) for x in (parts.amin(1), parts.amax(1)))
    return (low + high)[:, None] / 2 * along, (high - low)[:, None] * ENLARGED, along


def _scaled(places: Tensor, size: Tensor) -> Tensor:
    """Return places whose x and y are multiplied by the real and imaginary part of ``size``."""
    return torch.complex(places.real * size.real, places.imag * size.imag)


def _crop(maps: Tensor, center: Tensor, size: Tensor, along: Tensor) -> Tensor:
    """Return the features of a box in images, ``[N, C, FINE, FINE]``; zero outside the maps."""
    offsets = (torch.arange(FINE, device=maps.device) + 0.5) / FINE - 0.5
    grid = torch.complex(*torch.meshgrid(offsets, offsets, indexing="xy")).flatten()[None]
    places = torch.view_as_real(center + _scaled(grid, size) * along)
    places = places.reshape(-1, FINE, FINE, 2) * (maps.shape[-1] / CROPPED) - 0.5
    last = maps.shape[-1] - 1
    inside = ((places >= 0) & (places <= last)).all(-1)
    sampled: Tensor = F.grid_sample(
        maps, places / last * 2 - 1, align_corners=True, padding_mode="border"
    )
    result: Tensor = sampled * inside[:, None]
    return result


class FaceNetworks(nn.Module):
    """Both networks, which come from one package."""

    def __init__(self) -> None:
        super().__init__()
        self.detector, self.mesh = Detector(), AttentionMesh()


def read_networks(folder: Path) -> dict[str, Tensor]:
    """Return the state dict of `FaceNetworks` from a folder with both published files.

    Raises:
        PandaError: A file is damaged, or its graph is another one.
    """
    with torch.device("meta"):
        network = FaceNetworks()
    state: dict[str, Tensor] = {}
    for prefix, name in (("detector", DETECTOR), ("mesh", MESH)):
        names = [key for key, _ in network.named_parameters() if key.startswith(f"{prefix}.")]
        weights = read_tflite(folder / name).weights()
        if len(weights) != len(names):
            raise PandaError(f"{name} has {len(weights)} weights, expected {len(names)}")
        state |= dict(zip(names, weights, strict=True))
    return state
