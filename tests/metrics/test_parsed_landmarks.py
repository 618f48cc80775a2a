"""Eyes and mouth in class maps."""

import numpy as np
import pytest
import torch

from panda.metrics import parsing
from panda.metrics.landmarks import landmarks
from panda.metrics.parsing import CLASSES

MARKS = np.array([-0.25 - 0.05j, 0.25 - 0.05j, 0.5j])
"""Eyes and mouth of a drawn face."""


def drawing(size=512, glasses=False):
    """The class map ``[size, size]`` of a face."""
    steps = (torch.arange(size) + 0.5) * 2 / size - 1
    there = steps + 1j * steps[:, None]
    found = torch.zeros(size, size)

    def ellipse(name, place, width, height):
        inside = ((there.real - place.real) / width) ** 2 + (
            (there.imag - place.imag) / height
        ) ** 2 < 1
        found[inside] = CLASSES.index(name)

    ellipse("hair", 0j, 0.9, 0.95)
    ellipse("skin", 0.1j, 0.6, 0.75)
    ellipse("nose", 0.2j, 0.08, 0.2)
    for name, place in (("left eye", MARKS[0]), ("right eye", MARKS[1])):
        if glasses:
            ellipse("glasses", place, 0.22, 0.15)
        else:
            ellipse(name, place, 0.1, 0.05)
    ellipse("upper lip", MARKS[2] - 0.02j, 0.2, 0.04)
    ellipse("mouth interior", MARKS[2] + 0.03j, 0.15, 0.04)
    return found.to(torch.uint8)


def test_eyes_and_mouth_are_found_where_they_were_drawn():
    parsed = drawing()
    assert np.abs(landmarks(parsed) - MARKS).max() < 0.02
    turned = landmarks(torch.rot90(parsed, 2))
    assert np.abs(turned + MARKS).max() < 0.02  # the same eye comes first


def test_behind_glasses_eyes_are_where_they_should_be():
    parsed = drawing(glasses=True)
    assert np.abs(landmarks(parsed) - MARKS).max() < 0.05


@pytest.mark.parametrize("missing", ["left eye", "upper lip", "skin"])
def test_where_something_is_missing_there_is_no_face(missing):
    parsed = drawing()
    names = {"upper lip": ("upper lip", "mouth interior"), "skin": CLASSES}.get(missing, (missing,))
    parsed[parsing.mask(parsed[None], *names)[0]] = 0
    assert landmarks(parsed) is None
