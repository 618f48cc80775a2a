"""What leaves the studio: the picture, a sweep of a strength as an animation, the edit as JSON."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from panda.editing.edit_files import NamedEdit, edits_text
from panda.errors import PandaError
from panda.generators.registry import is_file
from panda.images import to_picture
from panda.studio.session import Session

FRAMES = 17
"""Strengths of a sweep, from its negative to the full one; the animation goes there and back."""

SWEEP = 512
"""Animations have up to so many pixels a side."""

ANIMATIONS = {"webp": "image/webp", "gif": "image/gif"}


@dataclass(frozen=True)
class Export:
    """A file that is handed over: its name, media type and content."""

    name: str
    kind: str
    data: bytes


def export_picture(session: Session) -> Export:
    """The edited image as PNG, full resolution."""
    buffer = io.BytesIO()
    to_picture(session.after[0]).save(buffer, "PNG")
    return Export(f"{_stem(session)}.png", "image/png", buffer.getvalue())


def export_edit(session: Session) -> Export:
    """The edits that count as an edit zoo; raises `PandaError` where there are none."""
    text = edits_text({"edit": named_edit(session)})
    return Export(f"{_stem(session)}.json", "application/json", text.encode())


def named_edit(session: Session) -> NamedEdit:
    """The edits that count and what factors they are for; `PandaError` where there are none."""
    edits = session.stack.edits
    if not edits:
        raise PandaError("there is no edit to export; add one, or switch one on")
    factors = session.canvas.factors
    return NamedEdit(
        factors.generator,
        factors.layer.name,
        factors.appearances.shape[1],
        factors.parts.shape[1],
        tuple(map(str, edits)),
        factors.seeds,
    )


def export_sweep(
    session: Session, suffix: str = "webp", watch: Callable[[float], None] = lambda share: None
) -> Export:
    """The chosen edit from its negative strength to the full one and back, among the others.

    ``suffix`` is ``webp`` or ``gif``; ``watch`` is told the share that is done. Raises `PandaError`
    where no edit is chosen, or the chosen one is off.
    """
    with session.lock:
        stack, canvas, refined = session.stack, session.canvas, session.refined
    step = stack.step
    if step is None or stack.chosen is None or not step.on:
        raise PandaError("no edit is chosen that could be swept; choose one of the stack")
    if suffix not in ANIMATIONS:
        raise PandaError(f"animations are {' or '.join(ANIMATIONS)}, not {suffix!r:.20}")
    size = min(SWEEP, canvas.generator.resolution)
    frames = []
    for k in range(FRAMES):
        share = 2 * k / (FRAMES - 1) - 1
        steps = list(stack.steps)
        edit = replace(step.edit, strength=share * step.edit.strength)
        steps[stack.chosen] = replace(step, edit=edit)
        edits = [one.edit for one in steps if one.on]
        frames.append(to_picture(canvas.images([edits], refined)[0], size))
        watch((k + 1) / FRAMES)
    return Export(f"{_stem(session)}.{suffix}", ANIMATIONS[suffix], _animate(frames, suffix))


def _animate(frames: list[Image.Image], suffix: str) -> bytes:
    buffer = io.BytesIO()
    there_and_back = frames + frames[-2:0:-1]
    options = {"quality": 88, "method": 4} if suffix == "webp" else {}
    there_and_back[0].save(
        buffer,
        suffix.upper(),
        save_all=True,
        append_images=there_and_back[1:],
        duration=60,
        loop=0,
        **options,
    )
    return buffer.getvalue()


def command(session: Session) -> str:
    """The command lines that make the same picture from the exported edit."""
    origin, factors = session.origin, session.canvas.factors
    first = ""
    words = ["panda", "edit", *([] if factors.seeds else ["FACTORS"])]
    words += ["--edit", f"{_stem(session)}.json"]
    if origin.seed is not None:
        words += ["--seeds", str(origin.seed), "--truncation", f"{origin.truncation:g}"]
    else:
        path = f"./{origin.name}" if origin.name.startswith("-") else origin.name
        invert = ["panda", "invert", path, "--generator", factors.generator]
        first = shlex.join([*invert, "--out", "inverted"]) + "\n"
        words += ["--latents", "inverted"]
    words += [] if origin.label is None else ["--label", str(origin.label)]
    words += ["--refine"] if session.refined else []
    return first + shlex.join([*words, "--out", "edited"])


def _stem(session: Session) -> str:
    name = session.canvas.generator.name
    short = Path(name).stem if is_file(name) else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{short}-{session.origin}").strip("-.")
