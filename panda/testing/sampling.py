"""Checks of a generator as a whole: its layers, latents, images and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from panda.errors import PandaError
from panda.testing.checks import Problem, Problems, check, differ, rounding, unlike
from panda.testing.conditions import labels, options

if TYPE_CHECKING:
    from panda.generators.contract import Latents
    from panda.testing.trial import Trial

FAINT = 0.25
"""Images in [0, 1] have brighter values; those of networks with random weights may all lie between
it and 0."""

WILD = 2.0
"""Trained generators overshoot [-1, 1], some by far, but half of their values stay below this."""

ALIASES = tuple(3 + step for step in (0, 11, 2**16, 10**6, 232792560))
"""Seeds that would be the same modulo a power of 2 or 10, or modulo 1 to 20."""


@check()
def layers(trial: Trial) -> Problems:
    """Layers have names and sizes."""
    declared = trial.generator.layers
    if not declared:
        yield Problem("there are none; fill self.layers in __init__")
    for name, layer in declared.items():
        if layer.name != name:
            yield Problem(f"its Layer is named {layer.name!r}; give both the same name", name)
        if not name or "/" in name:
            yield Problem("results are saved under its name, which must not contain '/'", name)
        inner = min(layer.height, layer.width) - 2 * layer.margin
        if min(layer.channels, inner) < 1 or layer.margin < 0:
            yield Problem(
                f"{layer} is empty; give channels, height, width as in the features", name
            )


@check()
def excuses(trial: Trial) -> Problems:
    """Every excuse names a check and has a reason."""
    known, excused = trial.generator.layers, trial.generator.excused
    valid = {*trial.checks, *(f"{name}[{layer}]" for name in trial.checks for layer in known)}
    if not isinstance(excused, Mapping):
        yield Problem(f"excused is {excused!r}; expected {{check: reason}}")
        return
    for key, reason in excused.items():
        if key not in valid or key not in trial.excuses:
            yield Problem(
                f"excused[{key!r}] = {reason!r}; expected a check, or a check[layer], and a reason"
            )


@check()
def card(trial: Trial) -> Problems:
    """The card describes the generator correctly."""
    card, generator = trial.card, trial.generator
    if card is None:
        return
    name = f"the card {trial.subject!r}"
    for what in ("size", "channels"):
        if (said := getattr(card, what)) != (made := getattr(generator, what)):
            yield Problem(f"{name} says {what} {said}, the generator {made}; correct the card")
    if card.layers and card.layers != tuple(generator.layers.values()):
        yield Problem(
            f"{name} has other layers than the generator, or in another order; correct the card"
        )


@check()
def seeds(trial: Trial) -> Problems:
    """Sample i depends on seeds[i] alone, and other seeds give other latents."""
    chosen = (14, 3, 14)
    sample = partial(trial.generator.sample, truncation=1.0)
    batch, again, alone = sample(chosen), sample(chosen), sample(chosen[1:2])
    if batch.seeds != chosen:
        yield Problem(f"sample({chosen}) remembers seeds {batch.seeds}; keep all as a tuple")
        return
    for name, rows in batch.tensors.items():
        if rows.shape[:1] != (len(chosen),):
            yield Problem(f"latent {name!r} is {list(rows.shape)}; expected a row for each seed")
            return
        pairs = [(rows, again.tensors[name]), (rows[1:2], alone.tensors[name]), (rows[0], rows[2])]
        if any(differ(a, b) > rounding(rows) for a, b in pairs):
            yield Problem(
                f"a row of latent {name!r} changes with its batch, its place or from call to call;"
                " draw each row by its seed, as panda.generators.seeds.seeded_normal does"
            )
    many = sample(ALIASES).tensors.values()
    for k, seed in enumerate(ALIASES[1:], start=1):
        if all(differ(rows[0], rows[k]) == 0 for rows in many):
            yield Problem(
                f"seeds {ALIASES[0]} and {seed} have the same latents; draw them from whole seeds"
            )


@check("seeds")
def images(trial: Trial) -> Problems:
    """Images are [N, channels, H, W] as size and channels say, finite, and differ by seed."""
    image = trial.image
    if not bool(image.isfinite().all()):
        yield Problem("forward gives NaN or infinity; see weights and dtypes")
    elif bool(((image.amax((2, 3)) - image.amin((2, 3))).amax(1) == 0).any()):
        yield Problem("an image has the same color everywhere; were the weights loaded?")
    elif differ(image[0], image[1]) == 0:
        yield Problem("two seeds give the same image; does forward use the latents?")


@check("images")
def repeatable(trial: Trial) -> Problems:
    """The same latents give the same image."""
    if unlike(trial, trial.generator.forward(trial.latents), trial.image):
        yield Problem(
            "a second forward pass gives another image; fix the noise, or draw it in sample, a row"
            " of a latent for each seed, and use eval mode"
        )


@check("images")
def image_range(trial: Trial) -> Problems:
    """Images are in about [-1, 1]."""
    image = trial.image
    if bool((image >= 0).all()) and float(image.max()) > FAINT:
        yield Problem("no value is negative, as if they were in [0, 1]; return 2 x - 1")
    elif (median := float(image.abs().median())) > WILD:
        yield Problem(f"half of the values lie beyond {median:.3g}; return them in about [-1, 1]")


@check("labels", "images")
def truncation(trial: Trial) -> Problems:
    """The usual truncation works; 0 gives the mean and 0.5 lies between, or none is taken."""
    sample, chosen = trial.generator.sample, trial.latents.seeds
    try:
        sample(chosen)
    except PandaError:
        usual = trial.generator.usual_truncation
        yield Problem(
            f"sample refuses usual_truncation, which is {usual}; where truncation has no meaning,"
            " set truncates = False in the class"
        )
    drawn: dict[float, Latents] = {}
    for psi in (0.0, 0.5, 1.0):
        try:
            drawn[psi] = sample(chosen, truncation=psi, label=trial.label)
        except PandaError:
            continue
    forward = trial.generator.forward
    images = {psi: forward(latents) for psi, latents in drawn.items()}
    advice = (
        "move latents to their mean (noise in a tensor of its own may stay), or set truncates ="
        " False"
    )
    if 0 in images and differ(*images[0]) > trial.rounding:
        mean = forward(_with_one_noise(drawn[0], drawn[1])) if 1 in drawn else images[0]
        if (gap := differ(*mean)) > trial.rounding:
            yield Problem(f"at truncation 0 images of two seeds differ by {gap:.2g}; {advice}")
    if 0.5 in images:
        middle = images.pop(0.5)
        for psi, image in images.items():
            if differ(middle, image) == 0:
                yield Problem(f"images are the same at truncations {psi:g} and 0.5; {advice}")


def _with_one_noise(mean: Latents, drawn: Latents) -> Latents:
    """Give two samples the seed of the first, and its rows of what truncation leaves as it is.

    That is noise, which has no mean to move to, and may also be drawn from ``latents.seeds``.
    """
    tensors = {
        name: rows[:1].expand_as(rows).clone() if differ(rows, drawn.tensors[name]) == 0 else rows
        for name, rows in mean.tensors.items()
    }
    return replace(mean, seeds=mean.seeds[:1] * len(mean), tensors=tensors)


@check("features")
def precision(trial: Trial) -> Problems:
    """In float64 it gives the same images, in float64."""
    double = trial.load("float64")
    latents = double.sample(trial.latents.seeds, truncation=1.0)
    image = double.forward(latents)
    names = trial.sound("precision")
    middle = names[len(names) // 2]
    for what, tensor in (("images", image), (middle, double.head(latents, middle).x)):
        if tensor.dtype != torch.float64:
            yield Problem(f"{what} are {tensor.dtype} when loaded in float64; pass dtype on")
            return
    if (gap := differ(image, trial.image)) > 10 * trial.rounding:
        again = trial.load("float32")
        other = differ(
            again.forward(again.sample(trial.latents.seeds, truncation=1.0)), trial.image
        )
        yield Problem(
            f"float64 images differ by {gap:.2g} from those in float32; pass dtype on"
            if other <= trial.rounding
            else f"loaded twice, its images differ by {other:.2g}, as with random weights; read"
            " them from a file, or draw them from a torch.Generator with a seed"
        )


CHECKS = (
    layers,
    excuses,
    card,
    options,
    seeds,
    images,
    repeatable,
    image_range,
    labels,
    truncation,
    precision,
)
"""In the order in which they run."""
