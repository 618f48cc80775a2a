"""One table of text, as Markdown to paste and as HTML for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ALIGNMENTS = {"left": "---", "right": "---:", "center": ":---:"}
"""What the Markdown line below the header says of a column."""


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        header: The title of each column.
        rows: The cells, as many in each row as the header has.
        title: What the table shows; the heading above it in Markdown.
        about: What its figures mean, in a sentence or two.
        align: ``"left"``, ``"right"`` or ``"center"`` for each column; all left where it is empty.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    about: str = ""
    align: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where rows or alignments do not fit the header."""
        for cells in (*self.rows, self.align or self.header):
            if len(cells) != len(self.header):
                raise ValueError(f"{list(cells)} does not fit the header {list(self.header)}")

    def to_markdown(self) -> str:
        """Return the table in Markdown, below its title and what it is about."""
        marks = [ALIGNMENTS[side] for side in self._sides]
        lines = [
            "| " + " | ".join(cells) + " |"
            for cells in (map(_plain, self.header), marks, *(map(_plain, r) for r in self.rows))
        ]
        heading = [f"### {self.title}\n\n"] if self.title else []
        about = [f"{self.about}\n\n"] if self.about else []
        return "".join([*heading, *about, *(f"{line}\n" for line in lines)])

    def to_html(self, *, caption: bool = False) -> str:
        """Return the table in HTML, with its title as a caption where wanted.

        Nothing in a cell is taken for a tag.
        """
        head = f"<caption>{escape(self.title)}</caption>" if caption else ""
        lines = [self._line("th", self.header), *(self._line("td", row) for row in self.rows)]
        return f"<table>{head}{''.join(lines)}</table>"

    @property
    def _sides(self) -> Sequence[str]:
        return self.align or ["left"] * len(self.header)

    def _line(self, tag: str, cells: Sequence[str]) -> str:
        opened = (f"<{tag}>" if s == "left" else f'<{tag} class="{s}">' for s in self._sides)
        pairs = zip(opened, cells, strict=True)
        return "<tr>" + "".join(f"{t}{_whole(escape(c))}</{tag}>" for t, c in pairs) + "</tr>"


def _whole(text: str) -> str:
    """Keep figures such as ``43 ± 29 %`` on one line, however narrow their column."""
    return text.replace(" ± ", "&nbsp;±&nbsp;").replace(" %", "&nbsp;%")


def _plain(text: str) -> str:
    """Keep a cell from ending early in Markdown."""
    return " ".join(text.splitlines()).replace("\\", "\\\\").replace("|", "\\|")
