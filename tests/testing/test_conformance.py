"""The conformance kit on every generator that can be built here: golden files, cached weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import GOLDENS
from golden_files import FILES, checkpoint

from panda.generators.registry import cards, list_generators
from panda.testing import parametrize_with_checks
from panda.testing.trial import checks_of
from panda_plugins.stylegan.checkpoint import from_checkpoint as stylegan
from panda_plugins.stylegan2.checkpoint import from_checkpoint as stylegan2
from panda_plugins.stylegan3.checkpoint import from_checkpoint as stylegan3

LARGEST = 256
"""Pixels of trained generators that are checked here, where their weights are cached."""


def with_noise(folder, build, noise):
    """A StyleGAN with noise of another kind."""

    def load(device, dtype):
        generator = build(checkpoint(folder), device, dtype)
        generator.noise = noise
        return generator

    load.__name__ = f"{folder}-{noise}"
    return load


def dimmed(folder):
    """A StyleGAN3 of random weights, whose images are brought to about [-1, 1]."""

    def load(device, dtype):
        source = checkpoint(folder)
        config = {**source.config, "output_scale": 0.01}
        return stylegan3(replace(source, config=config), device, dtype)

    load.__name__ = f"{folder}-dimmed"
    return load


NOISY = [
    with_noise(folder, build, noise)
    for folder, build in {"stylegan1-genforce": stylegan, "stylegan2-ada-cond": stylegan2}.items()
    for noise in ("random", "none")
]
DIMMED = [dimmed(f"shapes/stylegan3-t-{kind}") for kind in ("96", "gray")]
CACHED = [
    name
    for name, card in cards().items()
    if not name.startswith("mini-")
    and max(card.size) <= LARGEST
    and (card.weights is None or card.weights.cached)
]


@parametrize_with_checks([*(str(GOLDENS / file) for file in FILES), *NOISY, *DIMMED])
def test_every_file_keeps_the_contract(check):
    check()


@parametrize_with_checks(list_generators("mini-*"))
def test_the_mini_zoo_keeps_the_contract(check):
    check()


@pytest.mark.download
@parametrize_with_checks(CACHED)
def test_every_cached_generator_keeps_the_contract(check):
    check()


@pytest.mark.parametrize("container", ["proggan-tf", "stylegan2-ada"])
def test_panda_check_takes_a_file(container, capsys):
    from panda.cli import main

    file = str(GOLDENS / container / "network.pkl")
    assert main(["check", file]) == 0
    assert capsys.readouterr().err.endswith(f"network.pkl: {len(checks_of(file))} ok\n")
