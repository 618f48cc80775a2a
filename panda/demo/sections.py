"""The sections of the demo's report, from samples to refinement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL import Image
from torch import Tensor

from panda.editing.apply import direction, edit_images
from panda.editing.edit_files import NamedEdit, named_edits
from panda.editing.edits import Edit
from panda.editing.localize import enlarge, localize
from panda.editing.named import factors_of
from panda.editing.refine import refine
from panda.editing.remove import object_map, object_parts, remove
from panda.factorization.factors import Factors
from panda.factorization.stability import UNSTABLE
from panda.generators.contract import Generator, Latents, State, on_canvas
from panda.images import (
    as_rgb,
    color_parts,
    crop,
    crop_box,
    difference_picture,
    heat_picture,
    mask_picture,
    resize_map,
    sheet,
    spotlight,
    to_picture,
)
from panda.metrics.changes import change
from panda.metrics.colors import mean_color
from panda.metrics.roir import small
from panda.naming.impact import BROKEN as BREAKS
from panda.naming.impact import Impact
from panda.naming.realism import Realism, breaks
from panda.report.page import Figure, Page
from panda.report.table import Table
from panda.shapes import Size, within

SIZE = 224
"""The longer side of each picture, in pixels."""

SIGMAS = 5.0
"""Strength of edits in standard deviations: mostly enough to be seen."""

STRONGEST = 6.5
"""Strength that faint edits are raised to at most, in standard deviations."""

VISIBLE = 0.06
"""An edit that changes its part by less than this share of the range is shown stronger."""

BROKEN = 0.08
"""Beyond this change of its part, an edit tends to give images that the generator cannot draw."""

CLEAR = 0.03
"""An edit below this change of its part is too faint for the overview."""

MOST = 0.2
"""An edit that changes its part by more than this share of the range is shown weaker: beyond, most
parts are white or black."""

COLUMNS = 3
"""Edits in the overview."""

CLOSE_UP = 0.75
"""Parts whose crop is smaller than this share of the image's side are shown as close-ups."""


@dataclass(frozen=True)
class ShownEdit:
    """An edit in the report, with its mean change inside and outside its part, in [0, 1].

    Attributes:
        edit: The edit.
        inside: The change inside.
        outside: The change outside.
        broken: Whether the part then looks like that of no sample; see `panda.naming.realism`.
    """

    edit: Edit
    inside: float
    outside: float
    broken: bool = False

    @property
    def words(self) -> str:
        """Both changes, for a caption."""
        return f"{self.inside:.1%} in, {self.outside:.1%} out"

    @property
    def locality(self) -> float:
        """The change inside the part over the change outside."""
        return self.inside / max(self.outside, 1e-9)


@dataclass(frozen=True)
class LayerStudy:
    """The factors of one layer, and samples whose features there are edited.

    Attributes:
        generator: The generator.
        factors: The factors of the layer.
        latents: The latents of the N samples.
        state: The state of the samples at the layer.
        images: The unedited samples ``[N, channels, H, W]``.
        edits: The edits shown so far.
    """

    generator: Generator
    factors: Factors
    latents: Latents
    state: State
    images: Tensor
    edits: list[ShownEdit] = field(default_factory=list)

    @staticmethod
    def make(
        generator: Generator, factors: Factors, latents: Latents, images: Tensor
    ) -> LayerStudy:
        """Run the generator up to the layer of the factors."""
        return LayerStudy(
            generator, factors, latents, generator.head(latents, factors.layer.name), images
        )

    @property
    def picture(self) -> Size:
        """Height and width of a picture of a sample."""
        return within(self.generator.size, SIZE)

    def finish(self, row: int, x: Tensor) -> Tensor:
        """Return a sample's image ``[channels, H, W]`` with other features ``[1, C, H, W]``."""
        latents = self.latents[row : row + 1]
        state = self.generator.head(latents, self.factors.layer.name)
        return self.generator.tail(state.with_features(x), self.factors.layer.name)[0]

    def x(self, row: int) -> Tensor:
        """Return the features ``[1, C, H, W]`` of sample ``row``."""
        return self.state.x[row : row + 1]

    def object_parts(self) -> list[int]:
        """Return the parts of the object, not of the background: stable first, then strongest."""
        objects = object_parts(self.factors)
        return [part for part in self.factors.stable_parts if part in objects]


def samples(page: Page, images: Tensor, seeds: Sequence[int], truncation: float) -> None:
    """Add the unedited samples that the other sections work on."""
    page.section("Samples", f"Unedited samples at truncation {truncation:g}.")
    figures = [
        Figure(to_picture(image, SIZE), f"seed {seed}")
        for image, seed in zip(images, seeds, strict=True)
    ]
    page.card([figures])


def parts(page: Page, study: LayerStudy, count: int) -> None:
    """Add each part, over ``count`` samples."""
    page.section(
        f"Parts at {study.factors.layer.name}",
        f"{len(study.factors.masks)} parts of {study.factors.layer.height} x"
        f" {study.factors.layer.width} features, found without labels and highlighted in the"
        " same few samples. All samples share one set of parts; the section on refinement fits the"
        " parts to each sample. Parts that differ between two halves of the samples are called"
        " unstable and come last.",
    )
    pictures = [to_picture(image, SIZE) for image in study.images[:count]]
    masks, titles = study.factors.masks, study.factors.part_titles
    cells = [
        [Figure(mask_picture(masks[part], study.picture), f"part {titles[part]}")]
        + [Figure(spotlight(picture, masks[part])) for picture in pictures]
        for part in study.factors.stable_parts
    ]
    # Two parts share a row.
    page.card([left + right for left, right in zip(cells[::2], [*cells[1::2], []], strict=False)])


@dataclass(frozen=True)
class Named:
    """A named edit of the generator on the samples of the demo.

    Attributes:
        name: Its name.
        edit: What it is, and on how many faces it was tried.
        images: The edited samples ``[N, channels, H, W]``.
        impact: What it does inside its parts, and outside.
    """

    name: str
    edit: NamedEdit
    images: Tensor
    impact: Impact

    @property
    def parts(self) -> tuple[int, ...]:
        """Where it acts."""
        return Edit.parse(self.edit.edits[0]).parts

    @staticmethod
    def make(study: LayerStudy, name: str, edit: NamedEdit, count: int) -> Named:
        """Apply a named edit to the first samples."""
        generator, factors = study.generator, factors_of(name, edit, study.generator)
        before = study.images[:count]
        rows = [study.latents[row] for row in range(len(before))]
        edited = [edit_images(generator, factors, row, Edit(name, 1)) for row in rows]
        images = torch.cat(edited)
        parts = list(Edit.parse(edit.edits[0]).parts)
        where = factors.masks[parts].amax(0) if parts else torch.ones(1, 1)
        changes = change(before, images, resize_map(where, generator.size))
        inside, outside = (float(each.mean()) for each in changes)
        return Named(name, edit, images, Impact(inside, outside))


def named(page: Page, study: LayerStudy, count: int) -> list[Named]:
    """Add the edits that come with the generator under a name; return them, none without any."""
    zoo = named_edits(study.generator.name)
    mine = {name: edit for name, edit in zoo.items() if edit.generator == study.generator.name}
    done = [Named.make(study, name, edit, count) for name, edit in mine.items()]
    if not done:
        return []
    page.section(
        "Edits by name",
        "Edits that come with this generator, and what they did on the samples that they were tried"
        " on. 'panda edits' lists them.",
    )
    cells = [[Figure(to_picture(image, SIZE), "before") for image in study.images[:count]]]
    cells += [
        [Figure(to_picture(image, SIZE), each.name) for image in each.images] for each in done
    ]
    # Two edits share a row.
    page.card([left + right for left, right in zip(cells[::2], [*cells[1::2], []], strict=False)])
    page.table(Table(["edit", "what it did"], [[each.name, each.edit.effect] for each in done]))
    return done


def edits(page: Page, study: LayerStudy, axes: int) -> None:
    """Add the strongest appearances of each part in both directions, and how much they change."""
    page.section(
        f"Local edits at {study.factors.layer.name}",
        f"The strongest appearances of each part, up to {STRONGEST:g} standard deviations in either"
        f" direction, and fewer where that changes the part by more than {MOST:.0%}: first those"
        " with a visible, stable and clean effect, and last those that break the picture. Below"
        " each picture: the mean change of the pixels inside and outside the part, as a share"
        " of the full range. In the pictures of differences, white is a change of a quarter of the"
        " range or more.",
    )
    for part in study.factors.stable_parts:
        row, mask = part % len(study.images), study.factors.masks[part]
        title = f"part {study.factors.part_titles[part]}"
        unstable = study.factors.unstable_axes(part)
        box = crop_box(mask)
        box = box if box[2] < CLOSE_UP else (0.0, 0.0, 1.0)
        before = study.images[row]
        realism = Realism.of(small(study.images), mask) if len(study.images) > 1 else None
        lines = []
        for axis in study.factors.stable_axes(part)[:axes]:
            words = f"before, seed {study.latents.seeds[row]}"
            line = [Figure(to_picture(crop(before, box), SIZE), words)]
            both = []
            for sign in (1, -1):
                shown, after = _visible(study, row, Edit((part,), f"p{axis}", sign * SIGMAS, True))
                broken = realism is not None and breaks(realism, small(after[None]))
                shown = replace(shown, broken=broken)
                both.append(shown)
                mark = UNSTABLE if axis in unstable else ""
                mark += BREAKS if broken else ""
                words = f"p{axis}{mark} {shown.edit.strength:+.2g} sd: {shown.words}"
                line += [
                    Figure(to_picture(crop(after, box), SIZE), words),
                    Figure(
                        difference_picture(crop(before, box), crop(after, box), SIZE), "difference"
                    ),
                ]
            study.edits.extend(both)
            pictures = [Figure(spotlight(to_picture(before, SIZE), mask), title), *line]
            lines.append((_impact(both, axis not in unstable), pictures))
        lines.sort(key=lambda each: each[0].rank)
        page.card([pictures for _, pictures in lines])


def _impact(shown: Sequence[ShownEdit], stable: bool) -> Impact:
    """Return what an appearance does, from its edits in both directions."""
    count = len(shown)
    inside, outside = (
        sum(each) / count for each in zip(*((s.inside, s.outside) for s in shown), strict=True)
    )
    return Impact(inside, outside, stable=stable, broken=any(each.broken for each in shown))


def _visible(study: LayerStudy, row: int, edit: Edit) -> tuple[ShownEdit, Tensor]:
    """Apply an edit to one sample; repeat it with more strength if it hardly shows, or with less.

    Beyond `MOST` more strength changes less and less, so that a proportional step is a careful one.
    """
    shown, after = _apply(study, row, edit)
    if shown.inside < VISIBLE:
        gain = min(STRONGEST / SIGMAS, VISIBLE / max(shown.inside, 1e-6))
        shown, after = _apply(study, row, replace(edit, strength=gain * edit.strength))
    elif shown.inside > MOST:
        weaker = replace(edit, strength=edit.strength * MOST / shown.inside)
        shown, after = _apply(study, row, weaker)
    return shown, after


def _apply(
    study: LayerStudy, row: int, edit: Edit, parts: Tensor | None = None
) -> tuple[ShownEdit, Tensor]:
    """Apply an edit to one sample, with parts ``[1, S, R_S]`` refined for it if they are given."""
    x = study.x(row)
    after = study.finish(row, x + direction(study.factors, [edit], parts).to(x))
    masks = study.factors.masks if parts is None else study.factors.as_masks(parts)[0]
    mask = resize_map(masks[edit.parts[0]], after.shape[1:])
    inside, outside = change(study.images[row][None], after[None], mask)
    return ShownEdit(edit, float(inside), float(outside)), after


def concepts(page: Page, study: LayerStudy, count: int) -> None:
    """Add maps of where the background appearance and the strongest appearances are."""
    page.section(
        f"Concept maps at {study.factors.layer.name}",
        "How much of one appearance there is at every position (yellow: most), and the mask that"
        " Otsu's threshold makes of it. "
        + (_sentence(study.factors.no_background) or "The background was found automatically."),
    )
    pictures = [to_picture(image, SIZE) for image in study.images[:count]]
    rows = []
    for appearance in ("bg", 0, 1, 2) if study.factors.has_background else (0, 1, 2):
        maps, masks = localize(study.factors, study.state.x[:count], appearance, size=study.picture)
        caption = "background" if appearance == "bg" else f"appearance {appearance}"
        rows.append(
            [
                figure
                for picture, heat, mask in zip(pictures, maps, masks, strict=True)
                for figure in (
                    Figure(heat_picture(heat, study.picture), caption),
                    Figure(spotlight(picture, mask.float()), "mask"),
                )
            ]
        )
    page.card(rows)


def removal(page: Page, study: LayerStudy, count: int) -> None:
    """Add the removal of the strongest part, and then of the whole object."""
    part = study.object_parts()[0]
    page.section(
        f"Object removal at {study.factors.layer.name}",
        "What surrounds one part, and then what surrounds everything that is not background, goes"
        " on in its place: features in between solve Laplace's equation in each image. "
        + (
            _sentence(study.factors.no_background)
            or "Off: how far the object's place is from the background of before, in mean color"
            " (2 can just be seen, 100 is from black to white)."
        ),
    )
    rows = [[Figure(to_picture(image, SIZE), "before") for image in study.images[:count]]]
    removals = [([part], f"without part {part}"), (None, "without the object")]
    for chosen, words in removals if study.factors.has_background else removals[:1]:
        line = []
        for row in range(count):
            after = study.finish(row, remove(study.factors, study.x(row), chosen))
            off = math.nan if chosen else _off(study, row, after)
            caption = f"{words}, {off:.0f} off" if math.isfinite(off) else words
            line.append(Figure(to_picture(after, SIZE), caption))
        rows.append(line)
    page.card(rows)


def _off(study: LayerStudy, row: int, after: Tensor) -> float:
    """Return how far the object's place is from the background of before, in CIELAB units.

    It is not a number where no object is seen, or nothing else.
    """
    where = on_canvas(object_map(study.factors, study.x(row)), study.factors.layer)
    inside = enlarge(where, after.shape[1:]) > 0.5
    around = mean_color(as_rgb(study.images[row][None]), ~inside)
    return float((mean_color(as_rgb(after[None]), inside) - around).norm())


def _sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop; nothing of an empty one."""
    return text and f"{text[0].upper()}{text[1:]}."


def refinement(page: Page, study: LayerStudy, count: int) -> None:
    """Add global and refined parts side by side, and the same edit with each."""
    part = study.object_parts()[0]
    page.section(
        f"Refined parts at {study.factors.layer.name}",
        f"Part {part} as shared by all samples and as fitted to each sample, and the same edit with"
        " both: with the refined part, the edit follows the object in this image.",
    )
    edit = _strongest(study)[part].edit
    refined = refine(study.factors, study.state.x[:count])
    rows = []
    for row in range(count):
        picture = to_picture(study.images[row], SIZE)
        line = [Figure(picture, f"seed {study.latents.seeds[row]}")]
        both = {"global": study.factors.parts[None], "refined": refined[row : row + 1]}
        for kind, sample_parts in both.items():
            mask = study.factors.as_masks(sample_parts)[0, part]
            shown, after = _apply(study, row, edit, sample_parts)
            line += [
                Figure(spotlight(picture, mask), f"{kind} part {part}"),
                Figure(to_picture(after, SIZE), f"{kind}: {shown.words}"),
            ]
        rows.append(line)
    page.card(rows)


def overview(study: LayerStudy, names: Sequence[Named], count: int = 3) -> Image.Image:
    """Return one row per sample: sample, parts in color, three edits, removal, background map.

    The edits are those by name that are most visible and clean, each somewhere else; or, where
    there are none, of single parts.
    """
    objects = study.object_parts()
    chosen = [] if names else _chosen(study, objects)
    ranked = sorted(names, key=lambda each: each.impact.rank)
    best = {each.parts: each for each in reversed(ranked)}
    shown = sorted(best.values(), key=lambda each: each.impact.rank)[:COLUMNS]
    rows = []
    for row in range(min(count, len(study.images))):
        picture = to_picture(study.images[row], SIZE)
        x = study.x(row)
        edited = [each.images[row] for each in shown]
        edited += [study.finish(row, x + direction(study.factors, [e]).to(x)) for e in chosen]
        removed = None if study.factors.has_background else objects[:1]
        edited.append(study.finish(row, remove(study.factors, x, removed)))
        concept = "bg" if study.factors.has_background else 0
        heat, _ = localize(study.factors, x, concept, size=study.picture)
        rows.append(
            [
                picture,
                color_parts(picture, study.factors.masks),
                *(to_picture(image, SIZE) for image in edited),
                heat_picture(heat[0], study.picture),
            ]
        )
    return sheet(rows)


def _chosen(study: LayerStudy, objects: Sequence[int]) -> list[Edit]:
    """Return edits of the strongest part of the object, and of the two that are most local."""
    strongest = _strongest(study)
    visible = [shown for shown in study.edits if shown.inside > CLEAR and not shown.broken]
    first = {shown.edit.parts[0]: shown for shown in reversed(visible)}
    local = sorted(objects[1:], key=lambda part: -strongest[part].locality)[: COLUMNS - 1]
    return [
        strongest[objects[0]].edit,
        *(first.get(part, strongest[part]).edit for part in local),
    ]


def _strongest(study: LayerStudy) -> dict[int, ShownEdit]:
    """Return, for each part, the shown edit that changed it most without breaking the image."""
    ranked = sorted(
        study.edits,
        key=lambda shown: (not shown.broken, min(shown.inside, 2 * BROKEN - shown.inside)),
    )
    return {shown.edit.parts[0]: shown for shown in ranked}
