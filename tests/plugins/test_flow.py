"""Latent flow matching: a run of the sampler stops and resumes inside any step, and in all."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from backend_checks import CPU, conform

from panda import PandaError
from panda.checkpoints.checkpoint import Checkpoint
from panda_plugins.flow.backend import LatentFlow
from panda_plugins.flow.checkpoint import from_checkpoint, recognizes
from panda_plugins.flow.network import Network

STEPS = 4


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = Network(2, 8, (8, 32), 8, (16, 8), (1, 1))
    torch.nn.init.normal_(network.unet.position)
    return network.state_dict()


def load(steps: int = STEPS) -> LatentFlow:
    source = Checkpoint("safetensors", tensors(), {"steps": steps})
    assert recognizes(source)
    return from_checkpoint(source, CPU, torch.float32)


def passes(generator: LatentFlow, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each part of the network runs."""
    counts: Counter[str] = Counter()

    def counted(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def call(*arguments: object) -> object:
            counts[name] += 1
            return function(*arguments)

        monkeypatch.setattr(owner, name, call)

    for name in ("carry", "begin", "proceed", "finish"):
        counted(generator.network.unet, name)
    return counts


def test_a_layer_is_a_place_in_a_step_or_in_all_steps():
    layers = load().layers
    assert list(layers) == [
        *("mid@*", "up@*", "mid@0", "up@0", "mid@1", "up@1", "mid@2", "up@2", "mid@3", "up@3"),
        *("decode.8", "decode.16"),
    ]
    assert (layers["mid@*"].channels, layers["mid@2"].channels) == (STEPS * 32, 32)
    shown = [name for name in load(10).layers if name.startswith("mid")]
    assert shown == ["mid@*", "mid@2", "mid@4", "mid@7", "mid@9"]


def test_the_features_of_all_steps_are_those_of_each_side_by_side():
    generator = load()
    latents = generator.sample([0, 1])
    for place in ("mid", "up"):
        every = generator.head(latents, f"{place}@*").x.chunk(STEPS, 1)
        for step, x in enumerate(every):
            assert torch.equal(x, generator.head(latents, f"{place}@{step}").x)


def test_nothing_runs_twice(monkeypatch):
    generator = load()
    latents = generator.sample([0])
    counts = passes(generator, monkeypatch)
    state = generator.head(latents, "up@2")
    assert counts == {"carry": 3, "begin": 3, "proceed": 3, "finish": 2}
    counts.clear()
    generator.tail(state, "up@2")
    assert counts == {"carry": 1, "begin": 1, "proceed": 1, "finish": 2}
    for place, expected in (
        ("mid", {"carry": STEPS, "proceed": STEPS, "finish": STEPS}),  # its own are replaced
        ("up", {"finish": STEPS}),  # and all that they hide
    ):
        state = generator.head(latents, f"{place}@*")
        counts.clear()
        generator.tail(state, f"{place}@*")
        assert counts == expected


def test_an_edit_in_all_steps_replaces_the_features_of_each():
    generator = load()
    network, latents = generator.network, generator.sample([0])
    state = generator.head(latents, "mid@*")
    edited = state.x + torch.randn(state.x.shape, generator=torch.Generator().manual_seed(0))
    x = latents.tensors["z"]
    for step, features in enumerate(edited.chunk(STEPS, 1)):
        carried = network.unet.carry(x, torch.full((1,), 1 - step / STEPS))
        x = x - network.unet.finish(network.unet.proceed(features, carried)) / STEPS
    expected = network.decoder(x)
    image = generator.tail(state.with_features(edited), "mid@*")
    assert float((image - expected).abs().max()) < 1e-5
    assert float((image - generator.forward(latents)).abs().max()) > 1e-2


def test_it_keeps_the_contract():
    source = Checkpoint("safetensors", tensors(), {"steps": 2})
    conform(lambda device, dtype: from_checkpoint(source, device, dtype))


def test_wrong_files_states_and_labels_are_refused_in_a_sentence():
    generator = load()
    state = generator.head(generator.sample([0]), "mid@2")
    with pytest.raises(PandaError, match="resumes states that its head returned"):
        generator.tail(type(state)(state.x), "mid@2")
    with pytest.raises(PandaError, match="has no classes"):
        generator.sample([0], label=1)
    for name in ("unet.shrink.weight", "decoder.stages.stages.1.blocks.0.conv0.weight"):
        left = {key: value for key, value in tensors().items() if key != name}
        with pytest.raises(PandaError):
            from_checkpoint(Checkpoint("safetensors", left, {"steps": 2}), CPU, torch.float32)
    with pytest.raises(PandaError, match="steps=0, expected a whole number from 1"):
        from_checkpoint(Checkpoint("safetensors", tensors(), {"steps": 0}), CPU, torch.float32)
    odd = {**tensors(), "unet.shrink.weight": torch.zeros(12, 8, 4, 4)}
    with pytest.raises(PandaError, match="no latent flow has such tensors"):
        from_checkpoint(Checkpoint("safetensors", odd, {"steps": 2}), CPU, torch.float32)


def test_a_step_expects_the_image_to_which_its_velocity_leads():
    generator = load()
    unet, latents = generator.network.unet, generator.sample([0, 1])
    x = latents.tensors["z"]
    for step in range(2):
        x = x - unet(x, torch.full((2,), 1 - step / STEPS)) / STEPS
    expected = generator.network.decoder(x - 0.5 * unet(x, torch.full((2,), 0.5)))
    for layer in ("mid@2", "up@2"):
        found = generator.predict(generator.head(latents, layer), layer)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    for layer in ("mid@3", "up@*", "decode.8"):  # the last step, all steps, and none
        found = generator.predict(generator.head(latents, layer), layer)
        torch.testing.assert_close(found, generator.forward(latents), atol=1e-5, rtol=1e-4)
