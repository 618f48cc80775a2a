"""The kit checks labels and options; generators with both pass it."""

from __future__ import annotations

import pytest
from broken_conditions import OPTIONS, refuses_others
from conditioned import CLASSES, TEXTS, NamedClasses, TextGenerator, card, conditioned

from panda.cli import main
from panda.generators import registry
from panda.testing import check_generator

__all__ = ["conditioned"]


def failed(results):
    return {result.check: result.text for result in results if result.status == "failed"}


@pytest.mark.parametrize("good", [NamedClasses, TextGenerator])
def test_generators_with_labels_pass(good):
    assert failed(check_generator(good)) == {}


@pytest.mark.parametrize("name", [f"{TEXTS}?steps=8", f"{TEXTS}@a dog", f"{CLASSES}@red"])
def test_a_generator_passes_with_options_and_held_to_a_label(conditioned, name):
    results = check_generator(name)
    assert failed(results) == {}
    checks = [result.check for result in results]
    assert ("card" in checks, "options" in checks) == (True, name.startswith(TEXTS))


@pytest.mark.parametrize("key", OPTIONS)
def test_an_option_that_cannot_be_set_is_caught(monkeypatch, key):
    option, sentence = OPTIONS[key]
    toy = card(refuses_others, options={"steps": option})
    monkeypatch.setattr(registry, "plugins", lambda: (registry.Plugin("t", "t", "1", {"t": toy}),))
    failures = failed(check_generator("t"))
    assert list(failures) == ["options"]
    assert sentence in failures["options"]


def test_panda_check_takes_options(conditioned, capsys):
    assert main(["check", f"{TEXTS}?steps=8&scheduler=heun"]) == 0
    assert f"{TEXTS}?steps=8&scheduler=heun: " in capsys.readouterr().err
