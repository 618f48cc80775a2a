"""The kit passes good generators, and each defect fails one check with one sentence."""

from __future__ import annotations

import gc
import json
import weakref
from contextlib import suppress

import pytest
import torch
from broken_advancing import ADVANCING
from broken_conditions import CONDITIONS
from broken_resuming import RESUMING, DeadLayer, WithoutGradients
from broken_sampling import SAMPLING, LayersBackwards
from conftest import AdvancingGenerator, TinyGenerator

from panda import Latents, PandaError
from panda.cli import main
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.testing import CHECKS, check_generator, parametrize_with_checks

BROKEN = SAMPLING | RESUMING | ADVANCING | CONDITIONS


class Crash(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) + len(state.rest)

    def forward(self, latents):
        return super().tail(self.head(latents, "a"), "a")


class EmptyLatent(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        drawn = super().sample(seeds, truncation=truncation, label=label)
        return Latents(drawn.seeds, {**drawn.tensors, "label": torch.zeros(len(drawn), 0)})


class TrueOrFalse(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        drawn = super().sample(seeds, truncation=truncation, label=label)
        flip = torch.tensor([seed % 2 == 0 for seed in seeds])
        return Latents(drawn.seeds, {**drawn.tensors, "flip": flip})


def failed(results):
    return {result.check: result.text for result in results if result.status == "failed"}


@pytest.mark.parametrize("good", [TinyGenerator, AdvancingGenerator, EmptyLatent, TrueOrFalse])
def test_a_generator_as_it_should_be_passes_every_check(good):
    results = check_generator(good)
    assert {result.status for result in results} == {"ok"}, failed(results)
    assert [result.check for result in results] == [
        name for name in CHECKS if name not in ("card", "options")
    ]


@pytest.mark.parametrize("fake", BROKEN, ids=lambda fake: fake.__name__)
def test_each_defect_fails_one_check_with_a_sentence(fake):
    check, sentence = BROKEN[fake]
    failures = failed(check_generator(fake))
    assert list(failures) == [check], failures
    assert sentence in failures[check]


def test_every_check_catches_something():
    caught = {check for check, _ in BROKEN.values()}
    assert caught | {"card", "options"} == set(CHECKS)  # which need a card


def test_a_crash_is_reported_with_its_place():
    failures = failed(check_generator(Crash))
    assert set(failures) >= {"resume", "sensitivity"}
    text = failures["resume"]
    assert text.startswith("at layer 'a': it raised TypeError: object of type 'NoneType' has no")
    assert "(test_conformance_kit.py, line " in text


def test_an_excused_check_does_not_fail_and_gives_its_reason(monkeypatch):
    for key in ("gradient", "gradient[a]"):
        monkeypatch.setattr(WithoutGradients, "excused", {key: "runs in ONNX"})
        (result,) = [r for r in check_generator(WithoutGradients) if r.check == "gradient"]
        if key == "gradient":
            assert (result.status, result.text) == ("excused", "runs in ONNX")
        else:  # the other layers are not excused
            assert result.status == "failed"
            assert "at layer 'b'" in result.text


@pytest.mark.parametrize(
    ("excused", "check", "sentence"),
    [
        ({"batch": "hard"}, "batch", "'batch' is excused (hard), but it passes; remove the excuse"),
        ({"batch[b]": "hard"}, "batch", "'batch[b]' is excused (hard), but it passes"),
        ({"speed": "slow"}, "excuses", "excused['speed'] = 'slow'; expected a check"),
        ({"batch[d]": "no such layer"}, "excuses", "excused['batch[d]']"),
        ({"resume": ""}, "excuses", "and a reason"),
    ],
)
def test_an_excuse_that_excuses_nothing_is_reported(monkeypatch, excused, check, sentence):
    monkeypatch.setattr(TinyGenerator, "excused", excused)
    assert sentence in failed(check_generator(TinyGenerator))[check]


@pytest.fixture
def registered(monkeypatch):
    """Put fakes into the registry."""

    def register(fake, **facts):
        layers = tuple(TinyGenerator().layers.values())
        card = Card("Tiny", "none", **{"size": 16, "layers": layers, **facts},
                    license="MIT", origin="here", load=fake)  # fmt: skip
        bring = registry.Plugin("fakes", "tests", "1", {"tiny-16": card})
        monkeypatch.setattr(registry, "plugins", lambda: (bring,))

    return register


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"size": 64}, "its size is (64, 64), the generator's (16, 16)"),
        ({"layers": (Layer("z", 1, 2, 2),)}, "correct the card"),
    ],
)
def test_a_wrong_card_is_caught(registered, facts, sentence):
    registered(TinyGenerator, **facts)
    failures = failed(check_generator("tiny-16"))
    assert list(failures) == ["card"]
    assert sentence in failures["card"]


def test_panda_check_lists_every_check_and_exits_1_for_a_failure(registered, capsys):
    registered(TinyGenerator)
    assert main(["check", "tiny-16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [name for name in CHECKS if name != "options"]
    assert all(line.startswith("ok ") for line in lines)
    registered(DeadLayer)
    assert main(["check", "tiny-16", "--json"]) == 1
    output = capsys.readouterr()
    results = {result["check"]: result for result in json.loads(output.out)["checks"]}
    assert results["sensitivity"]["status"] == "failed"
    assert "18 ok, 1 failed" in output.err


def test_panda_check_of_an_unknown_generator_is_wrong_use(registered, capsys):
    registered(TinyGenerator)
    assert main(["check", "tiny-17"]) == 2
    assert "no generator 'tiny-17'; did you mean 'tiny-16'?" in capsys.readouterr().err


def test_what_cannot_be_loaded_is_one_sentence():
    def crash(device, dtype):
        raise KeyError("weights\nand more")

    with pytest.raises(PandaError, match="generator 'crash' cannot be loaded: KeyError: .weights"):
        check_generator(crash)
    with pytest.raises(PandaError, match="gave a NoneType, expected a panda.Generator"):
        check_generator(lambda device, dtype: None)


@parametrize_with_checks([TinyGenerator])
def test_authors_run_the_checks_with_pytest(check):
    check()


class Unhashable:
    __name__ = "unhashable"
    __hash__ = None

    def __call__(self, device, dtype):
        return TinyGenerator(device, dtype)


@parametrize_with_checks([Unhashable()])
def test_what_loads_may_be_any_callable(check):
    check()


def test_a_name_is_not_a_list_of_letters():
    with pytest.raises(PandaError, match=r"such as \['tiny-16'\], but a string was given"):
        parametrize_with_checks("tiny-16")


def test_pytest_reports_failures_excuses_and_skips(monkeypatch):
    monkeypatch.setattr(WithoutGradients, "excused", {"gradient": "runs in ONNX"})
    mark = parametrize_with_checks([LayersBackwards, WithoutGradients]).mark
    runs = {parameter.id: parameter.values[0] for parameter in mark.args[1]}
    with pytest.raises(pytest.fail.Exception, match="list layers as the network runs"):
        runs["LayersBackwards-layers"]()
    with pytest.raises(pytest.skip.Exception, match="cannot run before 'layers' passes"):
        runs["LayersBackwards-seeds"]()
    with pytest.raises(pytest.xfail.Exception, match="runs in ONNX"):
        runs["WithoutGradients-gradient"]()
    runs["WithoutGradients-resume"]()


def test_a_generator_goes_after_the_last_of_its_checks():
    made = []

    def tiny(device, dtype):
        generator = TinyGenerator(device, dtype)
        made.append(weakref.ref(generator))
        return generator

    mark = parametrize_with_checks([tiny, TinyGenerator]).mark
    runs = {parameter.id: parameter.values[0] for parameter in mark.args[1]}
    own = [run for name, run in runs.items() if name.startswith("tiny-")]
    for run in own:
        with suppress(pytest.skip.Exception):
            run()
    gc.collect()
    assert made and not any(reference() for reference in made)
    own[0]()
    runs["TinyGenerator-layers"]()
    gc.collect()
    assert not any(reference() for reference in made)
