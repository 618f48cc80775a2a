"""What a session looks like, as plain values that the page's scripts draw."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

from PIL import Image

from panda.editing.edits import REMOVE
from panda.editing.remove import STRENGTH
from panda.errors import PandaError
from panda.generators.contract import on_canvas
from panda.images import color_parts, difference_picture, heat_picture, to_picture
from panda.naming.effects import UNSEEN
from panda.studio.across import Side
from panda.studio.session import SIGMAS, Session
from panda.studio.stack import Step
from panda.studio.thumbnails import Thumbnail

EXACT = 256
"""Images of up to so many pixels a side are shown as PNG, larger ones as good JPEG."""


def stage(session: Session, names: Sequence[str]) -> dict[str, Any]:
    """The image, what lies over it, and which part is where."""
    with session.lock:
        canvas, after, view = session.canvas, session.after[0], session.view
        size = canvas.generator.resolution
        overlay = None
        if view == "Difference":
            overlay = difference_picture(canvas.before[0], after, size)
        elif view == "Heat map":
            step = session.stack.step
            overlay = heat_picture(canvas.heat(step.edit if step else None), size)
        elif view == "Parts":
            masks = on_canvas(canvas.masks(session.refined), canvas.factors.layer)
            overlay = color_parts(to_picture(canvas.before[0]), masks)
        labels = Image.fromarray(session.labels.numpy())
        return {
            "view": view,
            "before": picture_url(to_picture(canvas.before[0])),
            "after": picture_url(to_picture(after)),
            "overlay": picture_url(overlay) if overlay else "",
            "labels": _url(labels, "PNG"),
            "part": -1 if session.part is None else session.part,
            "names": list(names),
            "about": f"{canvas.generator.name}, {session.origin}",
        }


def gallery(
    session: Session, names: Sequence[str], found: Sequence[Thumbnail], *, busy: bool = False
) -> dict[str, Any]:
    """The chosen part's appearances; ``busy`` where more of them are to come."""
    part = session.part
    used = {step.edit.appearance for step in session.stack.steps if step.edit.parts == (part,)}
    cards = [
        {
            "appearance": one.appearance,
            "name": "" if one.name == UNSEEN else one.name,
            "effect": round(100 * one.effect, 1),
            "src": _url(one.picture, "JPEG"),
            "used": one.appearance in used,
        }
        for one in found
    ]
    title = "" if part is None else f"Part {part}: {names[part]}"
    return {"title": title, "cards": cards, "busy": busy}


def stack(session: Session) -> dict[str, Any]:
    """The rows of the stack, first to last."""
    rows = [
        {"name": step.name, "text": str(step.edit), "on": step.on, "strength": _told(step)}
        for step in session.stack.steps
    ]
    return {"rows": rows, "chosen": session.stack.chosen}


def strength(session: Session) -> dict[str, Any]:
    """The slider of the chosen step: value, ends, and what it means."""
    step = session.stack.step
    if step is None:
        return {"value": 0.0, "minimum": -10.0, "maximum": 10.0, "label": "Strength", "on": False}
    value = step.edit.strength
    if step.edit.appearance == REMOVE:
        return {
            "value": value,
            "minimum": 0.0,
            "maximum": 2 * STRENGTH,
            "label": "Strength of the removal",
            "on": True,
        }
    end = max(2.5 * SIGMAS, abs(value))
    label = "Strength in standard deviations"
    return {"value": value, "minimum": -end, "maximum": end, "label": label, "on": True}


def sides(found: Sequence[Side | PandaError]) -> str:
    """Generators side by side as HTML: before, after, and what was matched how well."""
    return f'<div class="sides">{"".join(map(_side, found))}</div>'


def _side(side: Side | PandaError) -> str:
    if isinstance(side, PandaError):
        return f"<figure><figcaption>{escape(str(side))}</figcaption></figure>"
    pictures = "".join(
        f'<img alt="{what}" src="{picture_url(picture)}">'
        for what, picture in (("before", side.before), ("after", side.after))
    )
    matched = "; ".join(
        f"{match.edit}: part alike {match.part:.2f}, appearance {match.appearance:.2f}"
        for match in side.matches
    )
    return (
        f'<figure><div class="pair">{pictures}</div><figcaption><b>{escape(side.generator)}</b>'
        f" · {escape(side.sample)}<br>{escape(matched)}</figcaption></figure>"
    )


def status(session: Session) -> str:
    """One line that tells what is on the stage."""
    factors = session.canvas.factors
    loss = f", loss {factors.loss:.3f}" if factors.loss == factors.loss else ""
    layer = factors.layer
    return (
        f"{factors.generator} · {layer.name} ({layer.height} x {layer.width}) ·"
        f" {factors.parts.shape[1]} parts{loss} · {session.origin} {session.origin.note}"
    )


def picture_url(picture: Image.Image) -> str:
    """A picture as a data URL, sharp enough to look at."""
    return _url(picture, "PNG" if picture.width <= EXACT else "JPEG")


def _told(step: Step) -> str:
    unit = " sd" if step.edit.sigma else ""
    return f"{step.edit.strength:+.1f}{unit}"


def _url(picture: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    options = {"quality": 92, "subsampling": 0} if kind == "JPEG" else {"compress_level": 1}
    picture.save(buffer, kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"
