"""The sections of a report on one generator, from samples to refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image
from torch import Tensor

from panda import edit as editing
from panda.edit import Edit
from panda.factors import Factors
from panda.generator import Generator, Latents, State
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
from panda.localize import localize
from panda.remove import border_mask, remove
from panda.report.page import Figure, Page

SIZE = 224
SIGMAS = 5.0
"""Edits are shown at so many standard deviations: enough to read as an edit, rarely too much."""

CLOSE_UP = 0.5
"""Parts whose crop is smaller than this share of the image's side are shown as close-ups."""


@dataclass(frozen=True)
class Shown:
    """An edit that was shown, and how much it changed inside and outside its part."""

    edit: Edit
    inside: float
    outside: float


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

    @property
    def name(self) -> str:
        """What to call the layer in a heading."""
        layer = self.factors.layer
        return f"{layer.name} ({layer.height} x {layer.width}, {len(self.factors.masks)} parts)"

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
        border = border_mask(self.factors.layer)
        masks = self.factors.masks
        density = (masks * border).sum((1, 2)) / masks.sum((1, 2)) / border.mean()
        inner = [part for part, value in enumerate(density.tolist()) if value < 0.9]
        return inner or list(range(len(masks)))


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
        f"Parts of {study.name}",
        "Found without labels: each part is lit in the same few samples. One set of parts serves"
        " all samples; refinement, below, fits them to each.",
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
        f"Local edits at {study.name}",
        f"Each part's own strongest appearances, by {SIGMAS:g} standard deviations each way. Under"
        " each picture: the mean change of the pixels inside and outside the part, as a share of"
        " the full range. Differences are white from a quarter of the range on.",
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
                wanted = Edit((part,), f"p{axis}", sign * SIGMAS, sigma=True)
                x = study.x(row) + editing.direction(study.factors, [wanted]).to(study.state.x)
                after = study.finish(row, x)
                inside, outside = change(before, after, mask)
                study.shown.append(Shown(wanted, inside, outside))
                words = f"p{axis} {sign * SIGMAS:+g} sd: {inside:.1%} in, {outside:.1%} out"
                line += [
                    Figure(to_picture(crop(after, box), SIZE), words),
                    Figure(
                        difference_picture(crop(before, box), crop(after, box), SIZE), "difference"
                    ),
                ]
            lines.append([Figure(spotlight(to_picture(before, SIZE), mask), f"part {part}"), *line])
        page.card(lines)


def concepts(page: Page, study: Study, faces: int) -> None:
    """Where the background appearance and the strongest appearances are."""
    page.section(
        f"Concept maps at {study.name}",
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
    objects = study.object_parts()
    page.section(
        f"Object removal at {study.name}",
        "Parts give way to the background appearance. Its direction is one for all samples; the"
        " color and the texture are those of each image's own surroundings.",
    )
    rows = [[Figure(to_picture(image, SIZE), "before") for image in study.images[:faces]]]
    for chosen in (objects[:1], objects):
        line = []
        for row in range(faces):
            after = study.finish(row, remove(study.factors, study.x(row), chosen))
            words = f"without part{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"
            line.append(Figure(to_picture(after, SIZE), words))
        rows.append(line)
    page.card(rows)


def refinement(page: Page, study: Study, faces: int) -> None:
    """Global against refined parts, and the same edit with both."""
    part = study.object_parts()[0]
    page.section(
        f"Refined parts at {study.name}",
        f"Part {part} as it is for all samples and as fitted to each one, and the same edit with"
        " either: the refined one keeps to this face.",
    )
    wanted = Edit((part,), "p0", SIGMAS, sigma=True)
    refined = editing.refine(study.factors, study.state.x[:faces])
    rows = []
    for row in range(faces):
        picture = to_picture(study.images[row], SIZE)
        line = [Figure(picture, f"seed {study.latents.seeds[row]}")]
        both = {"global": study.factors.parts[None], "refined": refined[row : row + 1]}
        for word, own in both.items():
            mask = study.factors.as_masks(own)[0, part]
            x = study.x(row) + editing.direction(study.factors, [wanted], own).to(study.state.x)
            after = study.finish(row, x)
            inside, outside = change(study.images[row], after, mask)
            line += [
                Figure(spotlight(picture, mask), f"{word} part {part}"),
                Figure(to_picture(after, SIZE), f"{word}: {inside:.1%} in, {outside:.1%} out"),
            ]
        rows.append(line)
    page.card(rows)


def overview(study: Study, faces: int = 3) -> Image.Image:
    """One picture of it all: sample, parts in color, three edits, removal, background map."""
    objects = study.object_parts()
    best: dict[int, Shown] = {}
    for candidate in sorted(study.shown, key=lambda one: one.inside):
        best[candidate.edit.parts[0]] = candidate
    ranked = sorted(best.values(), key=lambda one: one.inside, reverse=True)
    chosen = [one.edit for one in ranked if one.edit.parts[0] in objects][:3]
    rows = []
    for row in range(min(faces, len(study.images))):
        picture = to_picture(study.images[row], SIZE)
        x = study.x(row)
        changed = [x + editing.direction(study.factors, [wanted]).to(x) for wanted in chosen]
        changed.append(remove(study.factors, x, objects[:1]))
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
