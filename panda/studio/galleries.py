"""The thumbnails of every image that is open: each is made once, in one pass at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from panda.studio.session import Canvas
from panda.studio.thumbnails import (
    NamingContext,
    Thumbnail,
    axes_of,
    make_thumbnails,
    name_thumbnails,
)

Key = tuple[int, bool]
"""A part, and whether it is refined for the image."""


@dataclass
class Gallery:
    """The thumbnails of one part of one image.

    Attributes:
        left: The appearances without a thumbnail.
        made: The thumbnails, in the order of their impact.
        named: Whether they have names.
    """

    left: list[str]
    made: list[Thumbnail] = field(default_factory=list)
    named: bool = False


@dataclass
class Image:
    """What there is of one image; whoever changes a gallery holds the lock."""

    galleries: dict[Key, Gallery] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: object = None


class Galleries:
    """Thumbnails by image. Nothing here keeps an image that no session shows any more."""

    def __init__(self) -> None:
        self._images: WeakKeyDictionary[Canvas, Image] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._naming = threading.Lock()

    def cached(self, canvas: Canvas, part: int, refined: bool) -> tuple[list[Thumbnail], bool]:
        """Return the thumbnails made so far, and whether they are complete."""
        gallery = self._image(canvas).galleries.get((part, refined))
        return (gallery.made, not gallery.left) if gallery else ([], False)

    def make(self, canvas: Canvas, part: int, refined: bool) -> Iterator[list[Thumbnail]]:
        """Yield growing lists of what a part's appearances do, in the order of their impact.

        A later call for the same image ends this one at its next step, and goes on from what it
        has made if it is for the same part.

        Args:
            canvas: The image.
            part: The index of the part.
            refined: Whether the part is refined for the image.
        """
        image = self._image(canvas)
        image.newest = token = object()
        while image.newest is token:
            with image.lock:
                if (part, refined) not in image.galleries:
                    image.galleries[part, refined] = Gallery(axes_of(canvas, part))
                gallery = image.galleries[part, refined]
                if gallery.left and image.newest is token:
                    axes, rest = gallery.left[: canvas.batch], gallery.left[canvas.batch :]
                    more = make_thumbnails(canvas, part, axes, refined=refined)
                    gallery.made = sorted(
                        [*gallery.made, *more], key=lambda shown: shown.impact.rank
                    )
                    gallery.left = rest
            yield gallery.made
            if not gallery.left:
                return

    def name(self, canvas: Canvas, part: int, refined: bool, context: NamingContext) -> None:
        """Name the thumbnails of a part, unless they are named or not all of them are made.

        Args:
            canvas: The image.
            part: The index of the part.
            refined: Whether the part is refined for the image.
            context: The naming context of the image's factors.
        """
        gallery = self._image(canvas).galleries.get((part, refined))
        with self._naming:
            if gallery is not None and not (gallery.left or gallery.named):
                gallery.made = name_thumbnails(canvas, part, gallery.made, context)
                gallery.named = True

    def _image(self, canvas: Canvas) -> Image:
        with self._lock:
            return self._images.setdefault(canvas, Image())
