"""The sections of a report on one generator, from samples to refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from PIL import Image
from torch import Tensor

from panda.editing import edits as editing
from panda.editing.edits import Edit
from panda.editing.localize import localize
from panda.editing.remove import object_parts, remove
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, State
from panda.images import (
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
from panda.report.page import Figure, Page

SIZE = 224
SIGMAS = 5.0
"""Edits are first tried at so many standard deviations: mostly enough to read as an edit."""

STRONGEST = 6.5
VISIBLE = 0.06
"""An edit that changes its part by less than this share of the range is shown stronger."""

BROKEN = 0.12
"""Beyond this change of a part, an edit tends to leave what the generator can draw."""

CLEAR = 0.03
"""An edit below this change of its part is too faint for the overview."""

CLOSE_UP = 0.75
"""Parts whose crop is smaller than this share of the image's side are shown as close-ups."""


@dataclass(frozen=True)
class Shown:
    """An edit that was shown, and how much it changed inside and outside its part."""

    edit: Edit
    inside: float
    outside: float

    @property
    def words(self) -> str:
        """The two changes, for a caption."""
        return f"{self.inside:.1%} in, {self.outside:.1%} out"


@dataclass(frozen=True)
class Study:
    """One layer's factors and some faces, stopped there."""

    generator: Generator
    factors: Factors
    latents: Latents
    state: State
    images: Tensor
    shown: list[Shown] = field(default_factory=list)

    @staticmethod
    def make(generator: Generator, factors: Factors, latents: Latents, images: Tensor) -> Study:
        """Run the heads of the samples to be shown."""
        return Study(
            generator, factors, latents, generator.head(latents, factors.layer.name), images
        )

    def finish(self, row: int, x: Tensor) -> Tensor:
        """The image ``[3, R, R]`` of one sample with other features ``[1, C, H, W]``."""
        latents = self.latents[row : row + 1]
        state = self.generator.head(latents, self.factors.layer.name)
        return self.generator.tail(state.with_features(x), self.factors.layer.name)[0]

    def x(self, row: int) -> Tensor:
        """The features ``[1, C, H, W]`` of one sample."""
        return self.state.x[row : row + 1]

    def object_parts(self) -> list[int]:
        """Parts that keep away from where the background meets the border, strongest first."""
        return object_parts(self.factors)


def change(before: Tensor, after: Tensor, mask: Tensor) -> tuple[float, float]:
    """Mean absolute change, as a fraction of the range, inside and outside a map ``[H, W]``."""
    weight = resize_map(mask, before.shape[-1]).clamp(0, 1)
    difference = (after - before).abs().mean(0).cpu() / 2
    inside = (difference * weight).sum() / weight.sum()
    outside = (difference * (1 - weight)).sum() / (1 - weight).sum()
    return float(inside), float(outside)


def samples(page: Page, images: Tensor, seeds: Sequence[int], truncation: float) -> None:
    """The faces that the other sections work on."""
    page.section("Samples", f"Unedited samples at truncation {truncation:g}.")
    figures = [
        Figure(to_picture(image, SIZE), f"seed {seed}")
        for image, seed in zip(images, seeds, strict=True)
    ]
    page.card([figures])


def parts(page: Page, study: Study, faces: int) -> None:
    """Each part over several faces."""
    page.section(
        f"Parts at {study.factors.layer.name}",
        f"{len(study.factors.masks)} parts of {study.factors.layer.height} x"
        f" {study.factors.layer.width} features, found without labels, each lit in the same few"
        " samples. One set of parts serves all samples; refinement, below, fits them to each.",
    )
    pictures = [to_picture(image, SIZE) for image in study.images[:faces]]
    cells = [
        [Figure(mask_picture(mask, SIZE), f"part {part}")]
        + [Figure(spotlight(picture, mask)) for picture in pictures]
        for part, mask in enumerate(study.factors.masks)
    ]
    # Two parts side by side where there are few faces a part.
    page.card([left + right for left, right in zip(cells[::2], [*cells[1::2], []], strict=False)])


def edits(page: Page, study: Study, axes: int) -> None:
    """For each part its strongest own appearances, both ways, with the change they make."""
    page.section(
        f"Local edits at {study.factors.layer.name}",
        f"Each part's own strongest appearances, {SIGMAS:g} to {STRONGEST:g} standard deviations"
        " each way. Under each picture: the mean change of the pixels inside and outside the part,"
        " as a share of the full range. Differences are white from a quarter of the range on.",
    )
    for part, mask in enumerate(study.factors.masks):
        row = part % len(study.images)
        box = crop_box(mask)
        box = box if box[2] < CLOSE_UP else (0.0, 0.0, 1.0)
        before = study.images[row]
        lines = []
        for axis in range(axes):
            words = f"before, seed {study.latents.seeds[row]}"
            line = [Figure(to_picture(crop(before, box), SIZE), words)]
            for sign in (1, -1):
                one, after = _visible(study, row, Edit((part,), f"p{axis}", sign * SIGMAS, True))
                study.shown.append(one)
                words = f"p{axis} {one.edit.strength:+.2g} sd: {one.words}"
                line += [
                    Figure(to_picture(crop(after, box), SIZE), words),
                    Figure(
                        difference_picture(crop(before, box), crop(after, box), SIZE), "difference"
                    ),
                ]
            lines.append([Figure(spotlight(to_picture(before, SIZE), mask), f"part {part}"), *line])
        page.card(lines)


def _visible(study: Study, row: int, edit: Edit) -> tuple[Shown, Tensor]:
    """Apply an edit to one sample, once more and stronger where it hardly shows."""
    shown, after = _apply(study, row, edit)
    if shown.inside < VISIBLE:
        gain = min(STRONGEST / SIGMAS, VISIBLE / max(shown.inside, 1e-6))
        shown, after = _apply(study, row, replace(edit, strength=gain * edit.strength))
    return shown, after


def _apply(study: Study, row: int, edit: Edit, parts: Tensor | None = None) -> tuple[Shown, Tensor]:
    """Apply an edit to one sample, with its own parts ``[1, S, R_S]`` where they are given."""
    x = study.x(row)
    after = study.finish(row, x + editing.direction(study.factors, [edit], parts).to(x))
    masks = study.factors.masks if parts is None else study.factors.as_masks(parts)[0]
    return Shown(edit, *change(study.images[row], after, masks[edit.parts[0]])), after


def concepts(page: Page, study: Study, faces: int) -> None:
    """Where the background appearance and the strongest appearances are."""
    page.section(
        f"Concept maps at {study.factors.layer.name}",
        "The coordinate of one appearance at every position (yellow: much of it), and its mask by"
        " Otsu's threshold. The background appearance was found automatically.",
    )
    pictures = [to_picture(image, SIZE) for image in study.images[:faces]]
    rows = []
    for appearance in ("bg", 0, 1, 2):
        maps, masks = localize(study.factors, study.state.x[:faces], appearance, resolution=SIZE)
        word = "background" if appearance == "bg" else f"appearance {appearance}"
        rows.append(
            [
                figure
                for picture, heat, mask in zip(pictures, maps, masks, strict=True)
                for figure in (
                    Figure(heat_picture(heat, SIZE), word),
                    Figure(spotlight(picture, mask.float()), "mask"),
                )
            ]
        )
    page.card(rows)


def removal(page: Page, study: Study, faces: int) -> None:
    """The strongest part and then the whole object give way to background."""
    part = study.object_parts()[0]
    page.section(
        f"Object removal at {study.factors.layer.name}",
        "A part, and then all that is no background, gives way to the background appearance. Its"
        " direction is one for all samples; the color and the texture are those of each image's own"
        " surroundings.",
    )
    rows = [[Figure(to_picture(image, SIZE), "before") for image in study.images[:faces]]]
    for chosen, words in (([part], f"without part {part}"), (None, "without the object")):
        line = []
        for row in range(faces):
            after = study.finish(row, remove(study.factors, study.x(row), chosen))
            line.append(Figure(to_picture(after, SIZE), words))
        rows.append(line)
    page.card(rows)


def refinement(page: Page, study: Study, faces: int) -> None:
    """Global against refined parts, and the same edit with both."""
    part = study.object_parts()[0]
    page.section(
        f"Refined parts at {study.factors.layer.name}",
        f"Part {part} as it is for all samples and as fitted to each one, and the same edit with"
        " either: the refined one keeps to this face.",
    )
    wanted = _strongest(study)[part].edit
    refined = editing.refine(study.factors, study.state.x[:faces])
    rows = []
    for row in range(faces):
        picture = to_picture(study.images[row], SIZE)
        line = [Figure(picture, f"seed {study.latents.seeds[row]}")]
        both = {"global": study.factors.parts[None], "refined": refined[row : row + 1]}
        for word, own in both.items():
            mask = study.factors.as_masks(own)[0, part]
            shown, after = _apply(study, row, wanted, own)
            line += [
                Figure(spotlight(picture, mask), f"{word} part {part}"),
                Figure(to_picture(after, SIZE), f"{word}: {shown.words}"),
            ]
        rows.append(line)
    page.card(rows)


def overview(study: Study, faces: int = 3) -> Image.Image:
    """One picture of it all: sample, parts in color, three edits, removal, background map."""
    objects = study.object_parts()
    strongest = _strongest(study)
    visible = [one for one in study.shown if one.inside > CLEAR]
    first = {one.edit.parts[0]: one for one in reversed(visible)}
    # The strongest part of the object, and the two parts whose edits keep to themselves best.
    local = sorted(objects[1:], key=lambda part: -strongest[part].inside / strongest[part].outside)
    chosen = [
        strongest[objects[0]].edit,
        *(first.get(part, strongest[part]).edit for part in local[:2]),
    ]
    rows = []
    for row in range(min(faces, len(study.images))):
        picture = to_picture(study.images[row], SIZE)
        x = study.x(row)
        changed = [x + editing.direction(study.factors, [wanted]).to(x) for wanted in chosen]
        changed.append(remove(study.factors, x))
        heat, _ = localize(study.factors, x, "bg", resolution=SIZE)
        rows.append(
            [
                picture,
                color_parts(picture, study.factors.masks),
                *(to_picture(study.finish(row, features), SIZE) for features in changed),
                heat_picture(heat[0], SIZE),
            ]
        )
    return sheet(rows)


def _strongest(study: Study) -> dict[int, Shown]:
    """For each part, the shown edit that changed it most, short of what breaks a face."""
    ranked = sorted(study.shown, key=lambda one: min(one.inside, 2 * BROKEN - one.inside))
    return {one.edit.parts[0]: one for one in ranked}
