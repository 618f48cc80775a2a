"""Views of a session, as plain values that the page's scripts draw."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from itertools import count
from typing import Any

from PIL import Image

from panda.editing.edits import REMOVE
from panda.editing.syntax import STRENGTH
from panda.errors import PandaError
from panda.factorization.stability import UNSTABLE
from panda.images import color_parts, difference_picture, heat_picture, opaque, to_picture
from panda.naming.effects import UNSEEN
from panda.studio.session import SIGMAS, Session
from panda.studio.stack import Step
from panda.studio.thumbnails import Thumbnail
from panda.studio.transfer import Panel

TURNS = count(1)
"""Numbers that grow, by which the page knows which of two answers is newer."""

PNG_SIZE = 256
"""Images up to this width are sent as PNG, larger ones as JPEG of high quality."""


def stage(session: Session, names: Sequence[str]) -> dict[str, Any]:
    """Return the image, its overlay, the map of the parts, and width over height (ratio).

    Args:
        session: The session.
        names: The names of the parts.
    """
    with session.lock:
        canvas, after, view = session.canvas, session.after[0], session.view
        size = canvas.generator.size
        overlay = None
        if view == "Difference":
            overlay = difference_picture(canvas.before[0], after, size)
        elif view == "Heat map":
            step = session.stack.step
            overlay = heat_picture(canvas.heat(step.edit if step else None), size)
        elif view == "Parts":
            masks = canvas.masks(session.refined)
            overlay = color_parts(to_picture(canvas.before[0]), masks)
        labels = Image.fromarray(session.labels.numpy())
        return {
            "view": view,
            "before": picture_url(to_picture(canvas.before[0])),
            "after": picture_url(to_picture(after)),
            "overlay": picture_url(overlay) if overlay else "",
            "labels": _url(labels, "PNG"),
            "ratio": size[1] / size[0],
            "part": -1 if session.part is None else session.part,
            "names": list(names),
            "order": canvas.factors.stable_parts,
            "unstable": canvas.factors.unstable_parts,
            "about": f"{canvas.generator.name}, {session.origin}",
        }


def gallery(
    session: Session, names: Sequence[str], thumbnails: Sequence[Thumbnail], *, busy: bool = False
) -> dict[str, Any]:
    """Return the cards of the chosen part's appearances; a later call has a greater ``turn``.

    Args:
        session: The session.
        names: The names of the parts.
        thumbnails: The thumbnails to show.
        busy: Whether more thumbnails are being made.
    """
    part = session.part
    used = {step.edit.appearance for step in session.stack.steps if step.edit.parts == (part,)}
    cards = [
        {
            "appearance": thumbnail.appearance,
            "name": "" if thumbnail.name == UNSEEN else thumbnail.name,
            "effect": round(100 * thumbnail.impact.inside, 1),
            "src": _url(thumbnail.picture, "JPEG"),
            "used": thumbnail.appearance in used,
            "unstable": not thumbnail.impact.stable,
            "broken": thumbnail.impact.broken,
        }
        for thumbnail in thumbnails
    ]
    title = "" if part is None else f"Part {part}: {names[part]}"
    if part in session.canvas.factors.unstable_parts:
        title += UNSTABLE
    return {"title": title, "cards": cards, "busy": busy, "turn": next(TURNS)}


def stack(session: Session) -> dict[str, Any]:
    """Return the rows of the stack, first to last."""
    rows = [
        {"name": step.name, "text": str(step.edit), "on": step.on, "strength": _strength(step)}
        for step in session.stack.steps
    ]
    return {"rows": rows, "chosen": session.stack.chosen, "waiting": _waiting(session)}


def _waiting(session: Session) -> str:
    """Return which edits wait for other factors, in a sentence; nothing where none do."""
    here = session.canvas.factors.generator
    listed = []
    for factors, edits in session.waiting:
        of = "" if factors.generator == here else f" of {factors.generator}"
        parts = f"{factors.parts.shape[1]} parts of {factors.layer.name}{of}"
        listed.append(f"{edits} edit{'s' if edits > 1 else ''} of {parts}")
    return f"{', '.join(listed)}: choose these factors again to have them back." if listed else ""


def strength(session: Session) -> dict[str, Any]:
    """Return the slider of the chosen step: value, range, label, and whether it is on."""
    step = session.stack.step
    if step is None:
        return {"value": 0.0, "minimum": -10.0, "maximum": 10.0, "label": "Strength", "on": False}
    value = step.edit.strength
    if step.edit.appearance == REMOVE:
        return {
            "value": value,
            "minimum": 0.0,
            "maximum": STRENGTH,
            "label": "Strength of the removal",
            "on": True,
        }
    end = max(2.5 * SIGMAS, abs(value))
    label = "Strength in standard deviations"
    return {"value": value, "minimum": -end, "maximum": end, "label": label, "on": True}


def panels(results: Sequence[Panel | PandaError]) -> str:
    """Return generators side by side as HTML: before, after, and how well the edits match."""
    return f'<div class="panels">{"".join(map(_panel, results))}</div>'


def _panel(panel: Panel | PandaError) -> str:
    """Return the figure of one generator, or the error in its place."""
    if isinstance(panel, PandaError):
        return f"<figure><figcaption>{escape(str(panel))}</figcaption></figure>"
    pictures = "".join(
        f'<img alt="{label}" src="{picture_url(picture)}">'
        for label, picture in (("before", panel.before), ("after", panel.after))
    )
    matched = "; ".join(
        f"{match.edit}: part similarity {match.part:.2f}, appearance similarity"
        f" {match.appearance:.2f}"
        for match in panel.matches
    )
    return (
        f'<figure><div class="pair">{pictures}</div><figcaption><b>{escape(panel.generator)}</b>'
        f" · {escape(panel.sample)}<br>{escape(matched)}</figcaption></figure>"
    )


def status(session: Session) -> str:
    """Return the status line: the generator, the layer, the factors and the image."""
    factors = session.canvas.factors
    loss = f" (loss {factors.loss:.3f})" if factors.loss == factors.loss else ""
    layer = factors.layer
    return (
        f"{factors.generator} · {layer.name} ({layer.height} x {layer.width}) ·"
        f" {factors.parts.shape[1]} parts{loss} · {session.origin} {session.origin.note}"
    )


def picture_url(picture: Image.Image) -> str:
    """Return a picture as a data URL."""
    return _url(picture, "PNG" if picture.width <= PNG_SIZE else "JPEG")


def _strength(step: Step) -> str:
    """Return the strength of a step, with its unit."""
    unit = " sd" if step.edit.sigma else ""
    return f"{step.edit.strength:+.1f}{unit}"


def _url(picture: Image.Image, kind: str) -> str:
    """Return a picture as a data URL in a format that Pillow writes, on a checkerboard."""
    buffer = io.BytesIO()
    picture = opaque(picture) if picture.mode == "RGBA" else picture
    options = {"quality": 92, "subsampling": 0} if kind == "JPEG" else {"compress_level": 1}
    picture.save(buffer, kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"
