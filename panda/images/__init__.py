"""Pictures (PIL) of image tensors in [-1, 1] and of maps, and sheets of pictures."""

from panda.images.channels import as_rgb
from panda.images.files import read_gray, read_picture, save_picture
from panda.images.maps import (
    color_parts,
    crop,
    crop_box,
    difference_picture,
    heat_picture,
    mask_picture,
    resize_map,
    spotlight,
)
from panda.images.pictures import ImageLike, grid, opaque, sheet, to_picture, to_pictures

__all__ = [
    "ImageLike",
    "as_rgb",
    "color_parts",
    "crop",
    "crop_box",
    "difference_picture",
    "grid",
    "heat_picture",
    "mask_picture",
    "opaque",
    "read_gray",
    "read_picture",
    "resize_map",
    "save_picture",
    "sheet",
    "spotlight",
    "to_picture",
    "to_pictures",
]
