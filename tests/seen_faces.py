"""Drawn faces, and a face mesh that sees them as MediaPipe's sees real ones."""

import numpy as np
import torch
from scipy import ndimage

from panda.metrics.face_mesh import FaceMesh
from panda.photographs.alignment import LEFT_EYE, MOUTH, RIGHT_EYE

EYES, LIPS = np.array([-0.3 - 0.15j, 0.3 - 0.15j]), 0.4j
"""Of a drawn face, whose disk has a radius of 0.75."""

RADIUS = 0.75


def draw(shape, *faces):
    """A picture ``[3, *shape]`` with faces, each a center and a way to the right in pixels."""
    height, width = shape
    picture = torch.full((3, height, width), -1.0)
    there = torch.arange(width) + 0.5 + 1j * (torch.arange(height) + 0.5)[:, None]
    for center, right in faces:
        place = (there - center) / right
        picture[0][place.abs() < RADIUS] = 1
        for channels, mark in (([1], EYES[0]), ([2], EYES[1]), ([1, 2], LIPS)):
            for channel in channels:
                picture[channel][(place - mark).abs() < 0.12] = 1
    return picture


class Network:
    """Sees disks of red with an eye of yellow, one of magenta, and a white mouth."""

    def _faces(self, image):
        red, green, blue = (image > 0.5).numpy()
        labels, count = ndimage.label(red)
        for number in range(1, count + 1):
            own = labels == number
            marks = (own & green & ~blue, own & blue & ~green, own & green & blue)
            if all(mark.any() for mark in marks):
                radius = (own.sum() / np.pi) ** 0.5
                yield self._middle(own), radius, [self._middle(mark) for mark in marks]

    @staticmethod
    def _middle(mask):
        rows, columns = mask.nonzero()
        return complex(columns.mean(), rows.mean()) + (0.5 + 0.5j)

    def detector(self, images):
        """See `panda.metrics.face_networks.Detector`: only what is large and nearly upright."""
        pixels = images.shape[-1]
        values, logits = torch.zeros(len(images), 4, 8, 2), torch.full((len(images), 4), -9.0)
        for row, image in enumerate(images):
            for slot, (center, radius, marks) in enumerate(list(self._faces(image))[:4]):
                angle = abs(np.angle(marks[1] - marks[0], deg=True))
                if angle < 55 and 2 * radius > pixels / 7:
                    logits[row, slot] = 4 - angle / 50
                points = [center, 2 * radius * (1 + 1j), *marks, *marks]
                flat = [[point.real / pixels, point.imag / pixels] for point in points]
                values[row, slot] = torch.tensor(flat)
        return values, logits

    def mesh(self, images):
        """See `panda.metrics.face_networks.AttentionMesh`."""
        places = torch.zeros(len(images), 478, dtype=torch.complex64)
        presence = torch.full((len(images),), -9.0)
        for row, image in enumerate(images):
            middle = complex(*image.shape[1:]) / 2
            faces = sorted(self._faces(image), key=lambda face: abs(face[0] - middle))
            for center, radius, (left, right, lips) in faces[:1]:
                places[row] = center
                places[row, [10, 152, 234, 454]] = torch.tensor(
                    [center + radius * way for way in (-1j, 1j, -1, 1)], dtype=torch.complex64
                )
                for numbers, place in ((LEFT_EYE, left), (RIGHT_EYE, right), (MOUTH, lips)):
                    places[row, list(numbers)] = place
                presence[row] = 9
        return places, presence


class Seeing(FaceMesh):
    """A face mesh of drawn faces."""

    def __init__(self, device="cpu"):
        self.device, self.network = torch.device(device), Network()
