"""An HTML page of sections, cards and rows of pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from PIL import Image

from panda.files.writing import write_text
from panda.images import opaque
from panda.report.table import Table


@dataclass(frozen=True)
class Figure:
    """A picture and its caption.

    Attributes:
        picture: The picture, which the page embeds as JPEG, on a checkerboard where it is
            transparent.
        caption: The words under it, also its alternative text.
    """

    picture: Image.Image
    caption: str = ""

    def html(self) -> str:
        """Return the figure as HTML, with its picture inside."""
        buffer = io.BytesIO()
        opaque(self.picture).save(buffer, "JPEG", quality=87)
        data = base64.b64encode(buffer.getvalue()).decode()
        width, height = self.picture.size
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure><img alt="{escape(self.caption or "picture", quote=True)}" width="{width}"'
            f' height="{height}" src="data:image/jpeg;base64,{data}">{caption}</figure>'
        )


class Page:
    """An HTML page that is built from top to bottom; all texts are escaped.

    Args:
        title: The heading.
        lead: The paragraph under it.
    """

    def __init__(self, title: str, lead: str) -> None:
        self.title = title
        self.lead = lead
        self._sections: list[str] = []
        self._body: list[str] = []

    def section(self, title: str, lead: str) -> None:
        """Start a section with a title and a paragraph; the navigation of the page lists it."""
        name = f"section-{len(self._sections)}"
        self._sections.append(f'<a href="#{name}">{escape(title)}</a>')
        self._body.append(f'<h2 id="{name}">{escape(title)}</h2><p>{escape(lead)}</p>')

    def card(self, rows: Iterable[Sequence[Figure]], title: str = "") -> None:
        """Add rows of figures, under a title if it has one."""
        lines = ["".join(figure.html() for figure in row) for row in rows]
        head = f"<h3>{escape(title)}</h3>" if title else ""
        body = "".join(f'<div class="row">{line}</div>' for line in lines)
        self._body.append(f'<div class="card">{head}{body}</div>')

    def facts(self, facts: Mapping[str, str]) -> None:
        """Add tiles, each with the name of a fact and its value."""
        tiles = (f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for k, v in facts.items())
        self._body.append(f'<div class="facts">{"".join(tiles)}</div>')

    def table(self, table: Table) -> None:
        """Add a table, without its title."""
        self._body.append(f'<div class="card">{table.to_html()}</div>')

    def bars(self, values: Mapping[str, float]) -> None:
        """Add a bar chart: a horizontal bar from zero for each value, with its name."""
        longest = max(values.values())
        lines = []
        for row, (name, value) in enumerate(values.items()):
            y, width = 26 * row, 420 * value / longest if longest > 0 else 0
            lines.append(
                f'<rect x="250" y="{y + 3}" width="{width:.1f}" height="18" rx="3" class="bar"/>'
                f'<text x="240" y="{y + 17}" text-anchor="end">{escape(name)}</text>'
                f'<text x="{256 + width:.1f}" y="{y + 17}">{value:.4f}</text>'
            )
        size = f'viewBox="0 0 760 {26 * len(values)}"'
        self._body.append(
            f'<div class="card"><svg {size} class="bars">{"".join(lines)}</svg></div>'
        )

    def code(self, text: str) -> None:
        """Add commands to copy."""
        self._body.append(f'<div class="card"><pre>{escape(text)}</pre></div>')

    def svg(self, drawing: str) -> None:
        """Add a drawing as SVG, which is not escaped."""
        self._body.append(f'<div class="card">{drawing}</div>')

    def save(self, path: str | Path) -> None:
        """Write the page under a temporary name, and rename it.

        Raises:
            PandaError: The file cannot be written.
        """
        style = files("panda.report").joinpath("style.css").read_text(encoding="utf-8")
        text = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="icon" href="data:,">'
            f"<title>{escape(self.title)}</title><style>{style}</style></head><body><main>"
            f"<h1>{escape(self.title)}</h1><p>{escape(self.lead)}</p>"
            f"<nav>{''.join(self._sections)}</nav>{''.join(self._body)}</main></body></html>\n"
        )
        write_text(path, text)
