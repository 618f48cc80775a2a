"""Concept localization: where in an image an appearance is (paper, section 4.3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from panda.editing.natural import read_appearance, stop
from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.factorization.part_names import Parts
from panda.factorization.thresholds import otsu_each
from panda.generators.contract import Generator, Latents, Layer, on_canvas
from panda.shapes import SizeLike, resized, takes_resolution


def localize_images(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    appearance: int | str = "bg",
    *,
    part: Parts | None = None,
    threshold: str = "otsu",
) -> tuple[Tensor, Tensor]:
    """Show where an appearance is in the images of some samples.

    Args:
        generator: The generator that the factors are of.
        factors: What the appearance is of.
        latents: Samples of this generator.
        appearance: ``"bg"`` for the background, the number of a column of A, or ``"p0"``.
        part: See `localize`.
        threshold: See `localize`.

    Returns:
        Concept maps ``[N, H, W]`` and their masks ``[N, H, W]`` bool, of the images' size.

    Raises:
        PandaError: Where the factors are not of this generator or have no such appearance.
    """
    features = stop(generator, factors, latents).x
    size = generator.size
    return localize(factors, features, appearance, part=part, size=size, threshold=threshold)


@takes_resolution
def localize(
    factors: Factors,
    features: Tensor,
    appearance: int | str,
    *,
    part: Parts | None = None,
    size: SizeLike | None = None,
    threshold: str = "otsu",
) -> tuple[Tensor, Tensor]:
    """Return the concept map of an appearance, and its mask, from features of the factors' layer.

    The map is the coordinate a^T Z at every position, for ``"bg"`` that of its detector, cut to
    the canvas.

    Args:
        factors: What the appearance is of.
        features: Features ``[N, C, H, W]``.
        appearance: See `Factors.vector`.
        part: The part whose own appearance (``"p0"``) is meant; its number or name.
        size: Height and width, or the longer side, to which maps are resized (bicubic); by default
            they have the layer's size.
        threshold: ``"mean"`` puts what is above the mean over the samples of the fit inside the
            mask (as the released code), ``"otsu"`` what is above the threshold that splits the
            map best.

    Returns:
        Maps ``[N, H, W]`` and masks ``[N, H, W]`` bool.

    Raises:
        PandaError: Where the factors have no such appearance or part, or there is no such
            threshold.
    """
    thresholds = ("otsu", "mean")
    if threshold not in thresholds:
        raise PandaError(f"there is no threshold {threshold!r}{nearest(threshold, thresholds)}")
    appearance = read_appearance(appearance)
    vector, _ = factors.vector(appearance, () if part is None else factors.find_parts(part))
    if appearance == "bg":
        vector = factors.background_detector
    maps = concept_maps(factors.layer, features, vector)
    if size is not None:
        maps = enlarge(maps, size)
    level = (vector @ factors.mean).to(maps) if threshold == "mean" else otsu_each(maps)
    return maps, maps >= level


def concept_maps(layer: Layer, features: Tensor, vector: Tensor) -> Tensor:
    """Return the coordinate a^T Z at every position inside the image, ``[N, h, w]``.

    Args:
        layer: The layer of the features.
        features: Features ``[N, C, H, W]``, margins included.
        vector: The appearance or detector a ``[C]``.
    """
    # A product of matrices needs no copy of the features, as `einsum` does.
    maps = vector.to(features) @ features.flatten(2)
    return on_canvas(maps.view(len(features), *features.shape[2:]), layer)


def enlarge(maps: Tensor, size: SizeLike) -> Tensor:
    """Return maps ``[N, h, w]`` resized (bicubic); a number is the longer side."""
    wanted = resized(maps.shape[1:], size)
    return F.interpolate(maps[:, None], wanted, mode="bicubic", align_corners=False)[:, 0]
