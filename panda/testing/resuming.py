"""Checks at every layer: stopping and resuming."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from panda.errors import PandaError
from panda.generators.form import FormError
from panda.testing.checks import (
    Problem,
    Problems,
    check,
    deviation,
    differ,
    global_random_states,
    rounding,
    stir,
    unlike,
)

if TYPE_CHECKING:
    from panda.testing.trial import Trial

UNKNOWN = "no such layer"


@check("layers", "repeatable")
def features(trial: Trial) -> Problems:
    """Features are [N, C, H, W] as their layers declare, of the generator's dtype and device."""
    generator = trial.generator
    expected = torch.float32, generator.device.type
    advice = f"expected torch.float32 on {generator.device}; move the network and the latents"
    if (trial.image.dtype, trial.image.device.type) != expected:
        yield Problem(f"images are {trial.image.dtype} on {trial.image.device}, {advice}")
    for name in trial.layers("features"):
        try:
            x = generator.head(trial.latents, name).x
        except FormError as error:
            yield Problem(str(error), name)
            continue
        if (x.dtype, x.device.type) != expected:
            yield Problem(f"head gives {x.dtype} on {x.device}, {advice}", name)


@check("features")
def unknown_layer(trial: Trial) -> Problems:
    """Head and tail refuse an unknown layer, by name."""
    generator = trial.generator
    layer = trial.sound("unknown_layer")[0]
    state = generator.head(trial.latents, layer)
    calls: dict[str, Callable[[], object]] = {
        "head": lambda: generator.head(trial.latents, UNKNOWN),
        "tail": lambda: generator.tail(state, UNKNOWN),
    }
    for method, call in calls.items():
        try:
            call()
            outcome = "raises nothing"
        except PandaError as error:
            if UNKNOWN in str(error):
                continue
            outcome = "does not name it"
        except Exception as error:
            outcome = f"raises {type(error).__name__}"
        yield Problem(f"for an unknown layer {method} {outcome}; look it up by self.layer()")


@check("features")
def resume(trial: Trial) -> Problems:
    """tail(head(z, l), l) is forward(z) to the last bit."""
    generator = trial.generator
    for name in trial.layers("resume"):
        image = generator.tail(generator.head(trial.latents, name), name)
        if unlike(trial, image, trial.image):
            gap = differ(image, trial.image)
            cause = (
                "that is rounding: let forward take the same steps, or excuse it with the reason"
                if gap <= trial.rounding
                else "something is lost on the way: carry all but the features in State.rest"
            )
            yield Problem(f"tail(head(z)) is {gap:.2g} away from forward(z); {cause}", name)


@check("features")
def sensitivity(trial: Trial) -> Problems:
    """Other features give another image, at every layer and from each part of the features."""
    for name in trial.layers("sensitivity"):
        if dead := _dead(trial, name):
            yield Problem(
                f"other features give the same image (changed: {dead}); let tail start from all of"
                " state.x",
                name,
            )


def _dead(trial: Trial, name: str) -> str:
    """Return which changed features do not change the image; empty where all do.

    Each of the two samples is changed in other channels and positions.
    """
    state = trial.generator.head(trial.latents, name)
    x = state.x.detach()
    noise = 10 * deviation(x)  # opens units that a ReLU keeps closed for all usual features
    changed, sizes = x.clone(), x.shape[1:]
    lower = slice(0, 1), *(slice(0, max(1, size // 2)) for size in sizes)
    upper = slice(1, 2), *(slice(size // 2, size) for size in sizes)
    for part in (lower, upper):
        changed[part] += noise[part]
    image = trial.generator.tail(state, name)
    after = trial.generator.tail(state.with_features(changed), name)
    places = "first channels, upper left, first sample", "last channels, lower right, second sample"
    return " and ".join(places[k] for k in (0, 1) if differ(after[k], image[k]) == 0)


@check("features")
def advance(trial: Trial) -> Problems:
    """If it can advance, that gives head's features to the last bit, and keeps every edit."""
    generator, latents = trial.generator, trial.latents[0]
    if not generator.can_advance:
        return
    first, last = (trial.sound("advance")[k] for k in (0, -1))
    state = generator.head(latents, first)
    begun = edited = state.with_features(state.x + deviation(state.x))
    expected = generator.tail(begun, first)
    layer, failed = first, False
    for name in trial.layers("advance"):
        x, target = state.x.clone(), generator.head(latents, name)
        reached = generator.advance(state, layer, name)
        # From the second step on, an edit is in all that it starts from.
        edited = generator.advance(edited, layer, name)
        problem = ""
        if differ(state.x, x) > 0:
            problem = "advance writes into state.x; work on a copy (x = x + y, not x += y)"
        elif unlike(trial, reached.x, target.x):
            problem = (
                f"advance gives features {list(reached.x.shape)},"
                f" {differ(reached.x, target.x):.2g} away from head's {list(target.x.shape)}; let"
                " both take the same steps"
            )
        if problem:
            failed = True
            yield Problem(problem, name)
        state, layer = target, name
    if failed:
        return
    for way, end in ("layer by layer", edited), ("at once", generator.advance(begun, first, last)):
        if unlike(trial, image := generator.tail(end, last), expected):
            yield Problem(
                f"after an edit at {first!r} and advancing {way}, the image is"
                f" {differ(image, expected):.2g} away from that without advancing; start from all"
                " of state.x, carry all but the features in State.rest, and never write to it",
                last,
            )


@check("features")
def in_place(trial: Trial) -> Problems:
    """Latents, features, states and global random number generators are never written to."""
    stir()
    generator, streams, buffers = trial.generator, global_random_states(), _buffers(trial)
    latents, drawn, other = trial.latents[0], trial.latents[0], trial.latents[1]
    before = trial.sound("in_place")[-1]
    for name in trial.layers("in_place"):
        state = generator.head(latents, name)
        x = state.x.clone()
        image = generator.tail(state, name)
        if differ(state.x, x) > 0:
            yield Problem("tail writes into state.x; work on a copy (x = x + y, not x += y)", name)
        elif unlike(trial, generator.tail(state, name), image):
            yield Problem("tail writes into state.rest; a second tail gives another image", name)
        generator.head(other, before)
        generator.head(other, name)
        before = name
        if differ(state.x, x) > 0:
            yield Problem(
                "a later head writes into features returned before; return new ones", name
            )
        elif unlike(trial, generator.tail(state, name), image):
            yield Problem(
                "after another head, tail gives another image; keep nothing on self, carry it in"
                " State.rest",
                name,
            )
    generator.forward(latents)
    generator.sample(latents.seeds, truncation=1.0)
    if any(differ(*pair) > 0 for pair in zip(_buffers(trial), buffers, strict=True)):
        yield Problem(
            "the network counts its passes, or what runs through it, as normalization in training"
            " mode does; call eval() when loading"
        )
    if any(differ(latents.tensors[key], tensor) > 0 for key, tensor in drawn.tensors.items()):
        yield Problem("the latents are written to; work on a copy of them")
    if global_random_states() != streams:
        yield Problem(
            "a global random number generator (torch's, NumPy's or Python's) is seeded or drawn"
            " from; create a generator in sample"
        )


def _modules(trial: Trial) -> list[nn.Module]:
    """Return the generator's modules."""
    return [value for value in vars(trial.generator).values() if isinstance(value, nn.Module)]


def _buffers(trial: Trial) -> list[Tensor]:
    """Return copies of what the modules keep beside parameters."""
    return [buffer.clone() for module in _modules(trial) for buffer in module.buffers()]


@check("features")
def batch(trial: Trial) -> Problems:
    """A sample's features and image are the same alone and in a batch."""
    generator, alone = trial.generator, trial.latents[1]
    cause = "something mixes samples: batch statistics, or noise drawn for the whole batch"
    if (gap := differ(generator.forward(alone), trial.image[1:2])) > trial.rounding:
        yield Problem(f"alone, an image differs by {gap:.2g} from that in a batch; {cause}")
    for name in trial.layers("batch"):
        x = generator.head(trial.latents, name).x
        if (gap := differ(generator.head(alone, name).x, x[1:2])) > rounding(x):
            yield Problem(
                f"alone, features differ by {gap:.2g} from those in a batch; {cause}", name
            )


@check("features")
def frozen(trial: Trial) -> Problems:
    """No parameter requires gradients, so that no graph is recorded unless a caller wants one."""
    generator, latents = trial.generator, trial.latents[0]
    learning = any(p.requires_grad for module in _modules(trial) for p in module.parameters())
    first, last = (trial.sound("frozen")[k] for k in (0, -1))
    state = generator.head(latents, first)
    results = state.x, generator.tail(state, first), generator.head(latents, last).x
    if learning or any(x.requires_grad for x in (*results, generator.forward(latents))):
        yield Problem("parameters require gradients; call requires_grad_(False) when loading")


@check("features")
def gradient(trial: Trial) -> Problems:
    """Gradients flow from the image back to the features, at every layer."""
    for name in trial.layers("gradient"):
        state = trial.generator.head(trial.latents[0], name)
        leaf = state.x.detach().clone().requires_grad_()
        # Times one, since a backend may write to features but not to a leaf; see `in_place`.
        image = trial.generator.tail(state.with_features(leaf * 1), name)
        gradient = None
        if image.requires_grad:
            (gradient,) = torch.autograd.grad(image.square().sum(), leaf, allow_unused=True)
        flows = gradient is not None and bool(gradient.isfinite().all() and gradient.any())
        if not flows and not _dead(trial, name):  # `sensitivity` reports dead features
            yield Problem(
                "none arrive, or not finite ones; no torch.no_grad(), detach() or NumPy in tail",
                name,
            )


CHECKS = (
    features,
    unknown_layer,
    resume,
    sensitivity,
    advance,
    in_place,
    batch,
    frozen,
    gradient,
)
"""In the order in which they run."""
