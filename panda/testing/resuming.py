"""What must hold at every layer: stopping there and resuming."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from panda.errors import PandaError
from panda.testing.checks import Problem, Problems, check, differ, unlike

if TYPE_CHECKING:
    from panda.testing.trial import Trial

UNKNOWN = "no such layer"


@check("images")
def features(trial: Trial) -> Problems:
    """Features are [N, C, H, W] as their layers declare, of the generator's dtype and device."""
    generator = trial.generator
    asked = torch.float32, generator.device.type
    advice = f"expected torch.float32 on {generator.device}; move the network and the latents"
    if (trial.image.dtype, trial.image.device.type) != asked:
        yield Problem(f"images are {trial.image.dtype} on {trial.image.device}, {advice}")
    for name in trial.layers("features"):
        layer, x = generator.layers[name], generator.head(trial.latents, name).x
        declared = [len(trial.latents), layer.channels, layer.height, layer.width]
        if list(x.shape) != declared:
            yield Problem(f"head gives {list(x.shape)}, its Layer declares {declared}", name)
        elif (x.dtype, x.device.type) != asked:
            yield Problem(f"head gives {x.dtype} on {x.device}, {advice}", name)


@check("features")
def unknown_layer(trial: Trial) -> Problems:
    """Head and tail refuse a layer that is not there, by name."""
    generator = trial.generator
    state = generator.head(trial.latents, next(iter(generator.layers)))
    calls: dict[str, Callable[[], object]] = {
        "head": lambda: generator.head(trial.latents, UNKNOWN),
        "tail": lambda: generator.tail(state, UNKNOWN),
    }
    for method, call in calls.items():
        try:
            call()
            said = "raises nothing"
        except PandaError as error:
            if UNKNOWN in str(error):
                continue
            said = "does not name it"
        except Exception as error:
            said = f"raises {type(error).__name__}"
        yield Problem(f"for a layer that is not there {method} {said}; look it up by self.layer()")


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
    """Other features give another image, at every layer."""
    for name in trial.layers("sensitivity"):
        if _is_dead(trial, name):
            yield Problem("other features give the same image; let tail start from state.x", name)


def _is_dead(trial: Trial, name: str) -> bool:
    state = trial.generator.head(trial.latents[:1], name)
    x = state.x.detach()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
    changed = x + noise * x.std().clamp_min(1e-3)
    image = trial.generator.tail(state, name).detach()
    after = trial.generator.tail(state.with_features(changed), name).detach()
    return differ(after, image) == 0


@check("features")
def in_place(trial: Trial) -> Problems:
    """Latents, features and states are never written to."""
    generator = trial.generator
    latents, drawn, other = trial.latents[:1], trial.latents[:1], trial.latents[1:2]
    for name in trial.layers("in_place"):
        state = generator.head(latents, name)
        x = state.x.clone()
        image = generator.tail(state, name)
        if differ(state.x, x) > 0:
            yield Problem("tail writes into state.x; work on a copy (x = x + y, not x += y)", name)
        elif unlike(trial, generator.tail(state, name), image):
            yield Problem("tail writes into state.rest; a second tail gives another image", name)
        generator.head(other, name)
        if differ(state.x, x) > 0:
            yield Problem("a later head writes into features given before; return new ones", name)
    generator.forward(latents)
    if any(differ(latents.tensors[key], tensor) > 0 for key, tensor in drawn.tensors.items()):
        yield Problem("the latents are written to; work on a copy of them")


@check("features")
def batch(trial: Trial) -> Problems:
    """A sample's features and image are the same in a batch of one and of many."""
    generator, one = trial.generator, trial.latents[1:2]
    cause = "something mixes samples: batch statistics, or noise drawn for the whole batch"
    if (gap := differ(generator.forward(one), trial.image[1:2])) > trial.rounding:
        yield Problem(f"alone, an image differs by {gap:.2g} from that in a batch; {cause}")
    for name in trial.layers("batch"):
        x = generator.head(trial.latents, name).x
        tolerance = 1e-5 * max(1.0, float(x.detach().abs().max()))
        if (gap := differ(generator.head(one, name).x, x[1:2])) > tolerance:
            yield Problem(
                f"alone, features differ by {gap:.2g} from those in a batch; {cause}", name
            )


@check("features")
def frozen(trial: Trial) -> Problems:
    """No parameter requires gradients, so that no graph is recorded unless it is asked for."""
    modules = [value for value in vars(trial.generator).values() if isinstance(value, nn.Module)]
    learning = any(p.requires_grad for module in modules for p in module.parameters())
    if learning or trial.generator.forward(trial.latents[:1]).requires_grad:
        yield Problem("parameters require gradients; call requires_grad_(False) when loading")


@check("features")
def gradient(trial: Trial) -> Problems:
    """Gradients flow from the image back to the features, at every layer."""
    for name in trial.layers("gradient"):
        state = trial.generator.head(trial.latents[:1], name)
        leaf = state.x.detach().clone().requires_grad_()
        # Times one, since a leaf must not be written to, which is another check's affair.
        image = trial.generator.tail(state.with_features(leaf * 1), name)
        found = None
        if image.requires_grad:
            (found,) = torch.autograd.grad(image.square().sum(), leaf, allow_unused=True)
        flows = found is not None and bool(found.isfinite().all() and (found != 0).any())
        if not flows and not _is_dead(trial, name):  # that is the affair of sensitivity
            yield Problem(
                "none arrive, or not finite ones; no torch.no_grad(), detach() or NumPy in tail",
                name,
            )


CHECKS = (features, unknown_layer, resume, sensitivity, in_place, batch, frozen, gradient)
"""In the order in which they run."""
