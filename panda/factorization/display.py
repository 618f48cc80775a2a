"""How parts look: in colors, as a picture and as HTML for notebooks; and how many there are."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from panda.factorization.stability import Curve
from panda.images import color_parts, opaque, to_picture
from panda.report.chart import lines
from panda.report.page import Page
from panda.report.table import Table
from panda.shapes import Size

SIZE = 256
"""The longer side of a picture in pixels, where nobody asks for another."""


def picture_of_parts(masks: Tensor, over: Image.Image | Tensor | None, size: Size) -> Image.Image:
    """Return parts ``[R_S, H, W]`` in colors.

    Args:
        masks: The parts in [0, 1].
        over: A picture or an image ``[channels, H, W]`` in [-1, 1] that they are drawn over; by
            default they are drawn on black.
        size: The height and width of the picture, in pixels.
    """
    if over is None:
        base = Image.new("RGB", size[::-1])
    elif isinstance(over, Image.Image):
        base = opaque(over).resize(size[::-1])
    else:
        base = to_picture(over, size)
    return color_parts(base, masks)


def html_of_parts(
    title: str, picture: Image.Image, names: Sequence[str], order: Sequence[int]
) -> str:
    """Return a title, a picture of parts, and a legend of the parts' names, as HTML.

    Args:
        title: Above the picture.
        picture: The parts in colors.
        names: That of each part.
        order: The parts in the order of the legend.
    """
    file = io.BytesIO()
    picture.save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    # The hues of `color_parts`: HSV with a saturation of 0.75 and a value of 1.
    colors = [f"hsl({360 * part / len(names):.0f} 100% 62.5%)" for part in range(len(names))]
    legend = " ".join(
        f'<span style="color:{colors[part]}">&#9632;</span>&nbsp;{html.escape(names[part])}'
        for part in order
    )
    return (
        f"<div><div>{html.escape(title)}</div>"
        f'<img alt="parts in colors" width="{picture.width}" src="data:image/png;base64,{data}">'
        f"<div>{legend}</div></div>"
    )


def page_of_curves(
    title: str,
    curves: Mapping[str, Curve],
    chosen: Mapping[str, int],
) -> Page:
    """Return a page that draws what numbers of parts and appearances were chosen from.

    Args:
        title: What was fitted.
        curves: See `panda.factorization.factors.Factors.curves`.
        chosen: The number of each that was chosen.
    """
    page = Page(title, "What the fit chose its numbers from: the loss of each, and the stability.")
    for what, rows in curves.items():
        page.section(
            f"{chosen[what]} {what}",
            "Loss: the share of the features' energy that is left. Stability: how well two halves"
            " of the samples agree, 1 where they do in everything. Of the stable numbers, that at"
            " the knee of the loss is chosen.",
        )
        loss, stability = ([(row[0], row[k]) for row in rows] for k in (1, 2))
        page.svg(lines({"loss": loss, "stability": stability}, f"number of {what}", "share"))
        cells = [[f"{number:g}", f"{lost:.4f}", f"{same:.2f}"] for number, lost, same in rows]
        page.table(Table([what, "loss", "stability"], cells))
    return page
