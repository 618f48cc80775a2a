"""How parts look: all of them in colors, as a picture and as a line of HTML for notebooks."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from panda.images import color_parts, to_picture

SIZE = 256
"""The width of a picture in pixels, where nobody asks for another."""


def picture_of_parts(masks: Tensor, over: Image.Image | Tensor | None, size: int) -> Image.Image:
    """Return parts ``[R_S, H, W]`` in colors.

    Args:
        masks: The parts in [0, 1].
        over: A picture or an image ``[3, R, R]`` in [-1, 1] that they are drawn over; by default
            they are drawn on black.
        size: The width and height of the picture, in pixels.
    """
    if over is None:
        base = Image.new("RGB", (size, size))
    elif isinstance(over, Image.Image):
        base = over.convert("RGB").resize((size, size))
    else:
        base = to_picture(over, size)
    return color_parts(base, masks)


def html_of_parts(title: str, picture: Image.Image, names: Sequence[str]) -> str:
    """Return a title, a picture of parts, and a legend of the parts' names, as HTML."""
    file = io.BytesIO()
    picture.save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    # The hues of `color_parts`: HSV with a saturation of 0.75 and a value of 1.
    colors = [f"hsl({360 * part / len(names):.0f} 100% 62.5%)" for part in range(len(names))]
    legend = " ".join(
        f'<span style="color:{color}">&#9632;</span>&nbsp;{html.escape(name)}'
        for color, name in zip(colors, names, strict=True)
    )
    return (
        f"<div><div>{html.escape(title)}</div>"
        f'<img alt="parts in colors" width="{picture.width}" src="data:image/png;base64,{data}">'
        f"<div>{legend}</div></div>"
    )
