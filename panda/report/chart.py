"""A line chart as SVG, in colors that are legible on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 48, 40, 14
COLORS = ("#3d7bd9", "#d9603d", "#2f9e6e", "#a45bd1", "#c79a1e", "#d1477f", "#3aa6b5", "#84893c")
DASHES = ("", "6 4", "2 4")

APART = 24
"""Units between two values of x that are written, at least."""


def lines(values: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Return a line chart as SVG, with its legend as HTML.

    The horizontal axis is logarithmic (base 2); the vertical axis covers zero and all values.

    Args:
        values: Points ``(x, y)`` of each line by its name, with ``x > 0``.
        across: Label of the horizontal axis.
        up: Label of the vertical axis.
    """
    points = [point for series in values.values() for point in series]
    columns = sorted({math.log2(x) for x, _ in points})
    ys = [y for _, y in points]
    low, high = min(0.0, *ys), max(0.0, *ys)
    high += (high - low or 1.0) * 0.05
    right = WIDTH - 12

    def place(x: float, y: float) -> tuple[float, float]:
        span = columns[-1] - columns[0] or 1.0
        share = (math.log2(x) - columns[0]) / span
        down = HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - BOTTOM - TOP)
        return LEFT + 12 + share * (right - LEFT - 24), down

    parts = [_grid(low, high, place, columns, right)]
    for number, (name, series) in enumerate(values.items()):
        color = COLORS[number % len(COLORS)]
        dash = DASHES[number // len(COLORS) % len(DASHES)]
        placed = [place(*point) for point in sorted(series)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"'
            f' stroke-dasharray="{dash}"><title>{escape(name)}</title></polyline>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"><title>{escape(name)}:'
            f" {value[1]:.3f}</title></circle>"
            for (x, y), value in zip(placed, sorted(series), strict=True)
        ]
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{escape(across)}'
        f'</text><text x="14" y="{(HEIGHT - BOTTOM) / 2}" text-anchor="middle"'
        f' transform="rotate(-90 14 {(HEIGHT - BOTTOM) / 2})">{escape(up)}</text>'
    )
    return (
        f'<svg class="chart" role="img" aria-label="{escape(up, quote=True)} by'
        f' {escape(across, quote=True)}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
        f"{_legend(list(values))}"
    )


def _grid(low: float, high: float, place: object, columns: Sequence[float], right: float) -> str:
    """Return horizontal lines with their values, and the values of x."""
    assert callable(place)
    parts = []
    step = 10 ** math.floor(math.log10(high - low))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= 6)
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        _, y = place(2 ** columns[0], k * step)
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{k * step:g}</text>'
        )
    last = -math.inf
    for column in columns:
        x, _ = place(2**column, low)
        if x - last >= APART:
            last = x
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{_tick(2**column)}</text>"
            )
    return "".join(parts)


def _tick(x: float) -> str:
    """Return a value of x as text: a fraction below 1, and else a number."""
    return f"1/{1 / x:.4g}" if x < 1 else f"{x:.4g}"


def _legend(names: Sequence[str]) -> str:
    """Return the legend: the color and dashes of each name."""
    items = "".join(
        f'<li><svg viewBox="0 0 26 8"><line x1="1" x2="25" y1="4" y2="4" stroke-width="3"'
        f' stroke="{COLORS[k % len(COLORS)]}"'
        f' stroke-dasharray="{DASHES[k // len(COLORS) % len(DASHES)]}"/></svg>{escape(name)}</li>'
        for k, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'
