"""Exports of the studio: the picture, the edits as JSON, a sweep of a strength as animation."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from panda.editing.edit_files import NamedEdit, edits_text
from panda.errors import PandaError
from panda.generators.registry import is_file
from panda.images import opaque, to_picture
from panda.report.commands import panda_command
from panda.studio.session import Session

FRAMES = 17
"""Strengths of a sweep, from the negative to the full one; the animation then runs backwards."""

SWEEP_SIZE = 512
"""Largest width of an animation, in pixels."""

ANIMATIONS = {"webp": "image/webp", "gif": "image/gif"}


@dataclass(frozen=True)
class Export:
    """A file for the browser to save: its name, media type and content."""

    name: str
    kind: str
    data: bytes


def export_picture(session: Session) -> Export:
    """Return the edited image as PNG, in full resolution."""
    buffer = io.BytesIO()
    to_picture(session.after[0]).save(buffer, "PNG")
    return Export(f"{_stem(session)}.png", "image/png", buffer.getvalue())


def export_edit(session: Session) -> Export:
    """Return the active edits as an edit file; raise `PandaError` if there are none."""
    text = edits_text({"edit": named_edit(session)})
    return Export(f"{_stem(session)}.json", "application/json", text.encode())


def named_edit(session: Session) -> NamedEdit:
    """Return the active edits and the factors they are for; raise `PandaError` without edits."""
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
        factors.digest,
    )


def export_sweep(
    session: Session,
    suffix: str = "webp",
    watch: Callable[[float], None] = lambda fraction: None,
) -> Export:
    """Animate the chosen edit from its negative strength to the full one and back.

    The other active edits stay as they are.

    Args:
        session: The session.
        suffix: The format, ``webp`` or ``gif``.
        watch: Called after each frame with the fraction of frames that are done.

    Raises:
        PandaError: If no edit is chosen, the chosen edit is off, or the format is another.
    """
    with session.lock:
        stack, canvas, refined = session.stack, session.canvas, session.refined
    step = stack.step
    if step is None or stack.chosen is None or not step.on:
        raise PandaError("no edit is chosen that could be swept; choose an active edit in the list")
    if suffix not in ANIMATIONS:
        raise PandaError(f"animations are {' or '.join(ANIMATIONS)}, not {suffix!r:.20}")
    size = min(SWEEP_SIZE, max(canvas.generator.size))
    frames = []
    for k in range(FRAMES):
        scale = 2 * k / (FRAMES - 1) - 1
        steps = list(stack.steps)
        edit = replace(step.edit, strength=scale * step.edit.strength)
        steps[stack.chosen] = replace(step, edit=edit)
        edits = [each.edit for each in steps if each.on]
        frames.append(to_picture(canvas.images([edits], refined)[0], size))
        watch((k + 1) / FRAMES)
    return Export(f"{_stem(session)}.{suffix}", ANIMATIONS[suffix], _animate(frames, suffix))


def _animate(frames: list[Image.Image], suffix: str) -> bytes:
    """Encode the frames, forwards and backwards, as an endless animation."""
    buffer = io.BytesIO()
    if suffix == "gif":  # which has no half-transparent pixels
        frames = [opaque(frame) for frame in frames]
    loop = frames + frames[-2:0:-1]
    options = {"quality": 88, "method": 4} if suffix == "webp" else {}
    loop[0].save(
        buffer,
        suffix.upper(),
        save_all=True,
        append_images=loop[1:],
        duration=60,
        loop=0,
        **options,
    )
    return buffer.getvalue()


def command(session: Session) -> str:
    """Return commands that make the edited image, quoted for a shell.

    The shell has to be in the folder of the exported JSON and, if there is one, of the photograph.
    Factors that were loaded from a folder are named by its full path.
    """
    origin, canvas = session.origin, session.canvas
    lines = []
    factors = [] if canvas.folder is None else [canvas.folder.resolve()]
    words = ["edit", *factors, "--edit", f"{_stem(session)}.json"]
    if origin.seed is not None:
        words += ["--seeds", origin.seed, "--truncation", f"{origin.truncation:g}"]
    else:
        picture = f"./{origin.name}" if origin.name.startswith("-") else origin.name
        generator = canvas.factors.generator
        lines += [panda_command("invert", picture, "--generator", generator, "--out", "inverted")]
        words += ["--latents", "inverted"]
    words += [] if origin.label is None else ["--label", origin.label]
    words += ["--refine"] if session.refined else []
    return "\n".join([*lines, panda_command(*words, "--out", "edited")])


def _stem(session: Session) -> str:
    name = session.canvas.generator.name
    """Return a name for files that needs no quotes."""
    short = Path(name).stem if is_file(name) else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{short}-{session.origin}").strip("-.")
