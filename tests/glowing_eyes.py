"""A stand-in for face parsing that has gradients and sees a face in the images of any network."""

import torch
from drawn_faces import draw_features
from torch.nn import functional as F

from panda.metrics.parsing import CLASSES, FaceParser, enlarged, mask


class Glow(FaceParser):
    """Sees a face in every image, whose eyes grow over skin where the image is brighter."""

    def __init__(self, face=True):
        parsed = torch.full((1, 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
        parsed = draw_features(parsed) if face else parsed
        parsed[:, :8] = CLASSES.index("hair")
        self.scores_of_face = 4 * F.one_hot(parsed.long(), len(CLASSES)).permute(0, 3, 1, 2).float()
        self.eyes = mask(parsed, "left eye", "right eye").float()

    def __call__(self, images, size=512):
        return enlarged(self.scores(images, size), 64).argmax(1).to(torch.uint8)

    def scores(self, images, size=512):
        bright = (images.mean(1, keepdim=True) * 3).tanh()
        near = F.max_pool2d(self.eyes[None], 5, 1, 2)[0]
        grown = F.interpolate(bright, (64, 64), mode="bilinear")[:, 0] * near
        scores = self.scores_of_face.repeat(len(images), 1, 1, 1)
        scores[:, CLASSES.index("left eye")] += 2 * grown
        return scores
