"""The kit passes good generators, and each defect fails one check with one sentence."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import count, pairwise

import pytest
import torch
from broken_advancing import ADVANCING
from broken_alignment import ALIGNMENT, Fine, MarginNotDeclared
from broken_conditions import CONDITIONS
from broken_resuming import RESUMING, DeadLayer, WithoutGradients
from broken_sampling import (
    SAMPLING,
    SHAPES,
    FeaturesWithChannelsLast,
    GrayAsRGB,
    NoLayers,
    Wide,
)
from conftest import AdvancingGenerator, TinyGenerator
from torch.nn import functional as F

from panda import Latents, PandaError, State, edit_images, fit
from panda.cli import main
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.contract import Layer
from panda.generators.seeds import seeded_normal
from panda.testing import CHECKS, check_generator, parametrize_with_checks
from panda.testing.cost import BACKWARD, HEADS, TAILS, WHOLE

PLACE = torch.device("cpu"), torch.float32
BROKEN = SAMPLING | RESUMING | ADVANCING | CONDITIONS | ALIGNMENT


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


class NoiseDrawnInSample(TinyGenerator):
    """As the pages advise: a tensor of its own, which truncation leaves alone."""

    def sample(self, seeds, *, truncation=1.0, label=None):
        drawn = super().sample(seeds, truncation=truncation, label=label)
        noise = torch.from_numpy(seeded_normal(seeds, 16, 16)).to(self.device, self.dtype)
        return Latents(drawn.seeds, {**drawn.tensors, "noise": 0.1 * noise[:, None]})

    def head(self, latents, layer):
        return State(super().head(latents, layer).x, latents.tensors["noise"])

    def tail(self, state, layer):
        return super().tail(state, layer) + state.rest


class NoiseOfTheSeeds(NoiseDrawnInSample):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return TinyGenerator.sample(self, seeds, truncation=truncation, label=label)

    def head(self, latents, layer):
        noise = NoiseDrawnInSample.sample(self, latents.seeds).tensors["noise"]
        return State(TinyGenerator.head(self, latents, layer).x, noise)


class Faint(Fine):
    """As a network with random weights may be: on one side of 0, near to it."""

    def tail(self, state, layer):
        return super().tail(state, layer) / 40 + 0.1


class ShrinksAndGrows(Fine):
    """Its layers have 8, 4 and 8 positions a side, as those of a UNet."""

    def __init__(self, *place):
        super().__init__(*place)
        self.layers = {
            n: Layer(n, 12, side, side) for n, side in zip("abc", (8, 4, 8), strict=True)
        }

    def run(self, state, start, stop):
        x, image = state.x, state.rest
        for k in range(start, stop):
            size = (4, 4) if k == 0 else (8, 8)
            image = F.interpolate(image + self.rgb(x), size)
            x = F.leaky_relu(self.convs[k](F.interpolate(x, size, mode="area")))
        return State(x, image)

    def tail(self, state, layer):
        end = self.run(state, self.index(layer), len(self.convs))
        return F.interpolate(torch.tanh(end.rest + self.rgb(end.x)), (32, 32), mode="bilinear")


class MarginDeclared(MarginNotDeclared):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers = {n: replace(layer, margin=layer.height // 8)
                       for n, layer in self.layers.items()}  # fmt: skip


class FewPositions(TinyGenerator):
    """Its first layer is a vector, and its second has 2 positions a side, mirrored."""

    def __init__(self, *place):
        super().__init__(*place)
        self.whole = TinyGenerator(*place)
        self.layers = {"a": Layer("a", 12 * 16, 1, 1), "b": Layer("b", 12 * 4, 2, 2)}

    def head(self, latents, layer):
        x = self.whole.head(latents, "a").x.reshape(len(latents), -1, 1, 1)
        return State(x if self.index(layer) == 0 else F.pixel_shuffle(x, 2).flip(2))

    def tail(self, state, layer):
        x = state.x if self.index(layer) == 0 else F.pixel_unshuffle(state.x.flip(2), 2)
        return self.whole.tail(State(x.reshape(-1, 12, 4, 4)), "a")


def failed(results):
    return {result.check: result.text for result in results if result.status == "failed"}


GOOD = TinyGenerator, AdvancingGenerator, EmptyLatent, TrueOrFalse, NoiseDrawnInSample
GOOD = *GOOD, NoiseOfTheSeeds, Faint, ShrinksAndGrows, MarginDeclared, FewPositions, *SHAPES


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.__name__)
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


def test_images_of_another_form_reach_no_verb():
    generator = GrayAsRGB()
    latents = generator.sample(2)
    said = r"gives images \[2, 1, 16, 16\], expected \[2, 3, 16, 16\]: its size, height and width,"
    for call in (
        lambda: generator(latents),
        lambda: generator.tail(generator.head(latents, "b"), layer="b"),
        lambda: edit_images(generator, fit(generator, "b", parts=2, seeds=8), latents, "0:p0:1sd"),
    ):
        with pytest.raises(PandaError, match=said):
            call()


def test_features_of_another_form_reach_no_verb():
    with pytest.raises(PandaError, match=r"head of tiny gives features \[8, 8, 8, 12\] at b"):
        fit(FeaturesWithChannelsLast(), "b", parts=2, seeds=8)


def test_what_a_parent_class_returns_need_not_have_the_form():
    class Half(Wide):
        def __init__(self):
            super().__init__(*PLACE)
            self.size = (8, 12)

        def tail(self, state, layer):
            return super().tail(state, layer)[:, :, ::2, ::2]

    generator = Half()
    assert generator(generator.sample(2)).shape == (2, 3, 8, 12)


def test_every_check_catches_something():
    caught = {check for check, _ in BROKEN.values()}
    assert caught | {"card", "options"} == set(CHECKS)  # which need a card


def test_a_crash_is_reported_with_its_place():
    failures = failed(check_generator(Crash))
    assert set(failures) >= {"resume", "sensitivity"}
    text = failures["resume"]
    assert text.startswith("at layer 'a': it raised TypeError: object of type 'NoneType' has no")
    assert f"({__file__}, line " in text


class NamedWrongly(AdvancingGenerator):
    """One Layer has another name, and a later layer fails."""

    def __init__(self, *place):
        super().__init__(*place)
        self.layers["b"] = replace(self.layers["b"], name="conv")

    def index(self, layer):
        self.layer(layer)
        return list(self.layers).index(layer)

    def head(self, latents, layer):
        assert layer != "b"
        return super().head(latents, layer)

    def tail(self, state, layer):
        return super().tail(state, layer) + (0.1 if layer == "c" else 0)

    def forward(self, latents):
        return self.tail(self.head(latents, "a"), "a")


def test_a_layer_that_fails_is_left_out_of_the_checks_that_need_it():
    results = {result.check: result for result in check_generator(NamedWrongly)}
    assert failed(results.values()).keys() == {"layers", "resume", "advance"}
    assert "at layer 'c': tail(head(z)) is 0.1 away" in results["resume"].text
    assert results["gradient"].status == "ok"
    assert results["gradient"].text.endswith(" (not run at b, where another check failed)")


def test_without_layers_the_other_checks_run():
    results = {result.check: result.status for result in check_generator(NoLayers)}
    assert results["truncation"] == results["labels"] == "ok"
    assert results["features"] == results["gradient"] == "skipped"


def test_a_crash_at_a_layer_leaves_out_the_layers_that_were_not_reached():
    class Late(TinyGenerator):
        def head(self, latents, layer):
            assert layer not in ("b", "c")
            return super().head(latents, layer)

    failures = failed(check_generator(Late))
    assert list(failures) == ["features"]
    assert failures["features"].startswith("at layer 'b': it raised AssertionError: assert ")


@pytest.mark.parametrize(
    ("options", "layers"), [({"quick": True}, "ace"), ({"layers": "ba"}, "ab")]
)
def test_some_layers_may_be_checked_alone(options, layers, monkeypatch):
    class Five(TinyGenerator):
        def __init__(self, *place):
            super().__init__(*place)
            first = self.layers["a"]
            self.layers = {name: replace(first, name=name) for name in "abcde"}

        def head(self, latents, layer):
            heads.add(self.layer(layer).name)
            return State(super().head(latents, "a").x)

        def index(self, layer):
            self.layer(layer)
            return 0

    heads = set()
    monkeypatch.setattr(Five, "excused", {"batch[d]": "is not looked at"})
    assert not failed(check_generator(Five, **options))
    assert "".join(sorted(heads)) == layers


def test_layers_that_do_not_exist_cannot_be_checked():
    with pytest.raises(PandaError, match="has no layer 'd'"):
        check_generator(TinyGenerator, layers=["a", "d"])


def test_the_cost_is_that_of_all_passes(monkeypatch):
    class Counting(TinyGenerator):
        def head(self, latents, layer):
            rows["heads"] += len(latents)
            return super().head(latents, layer)

        def tail(self, state, layer):
            rows["tails"] += len(state.x)
            return super().tail(state, layer)

        def forward(self, latents):
            rows["whole"] += len(latents)
            return super().forward(latents)

    counts = []
    for layers in ("b", "bc"):  # of a the check `aligned` says nothing
        rows = Counter()
        assert not failed(check_generator(Counting, layers=layers))
        counts.append(rows)
    for one, more in pairwise(counts):
        assert (more["heads"] - one["heads"], more["tails"] - one["tails"]) == (HEADS, TAILS)
    # Its forward pass calls head and tail once.
    own = {name: counts[0][name] - counts[0]["whole"] for name in ("heads", "tails")}
    parts = (own["heads"] - HEADS + own["tails"] - TAILS) / 2
    assert counts[0]["whole"] + parts == pytest.approx(WHOLE, abs=2)


def test_no_layers_are_not_all_of_them(registered, capsys):
    registered(TinyGenerator)
    assert main(["check", "tiny-16", "--layers", ","]) == 2
    assert "no layers were named to be checked" in capsys.readouterr().err


def test_a_long_check_says_how_long_before_it_starts(registered, capsys, monkeypatch):
    registered(TinyGenerator)
    monkeypatch.setattr("panda.cli.check.LONG", 0.0)
    ticks = count(step=2)
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    assert main(["check", "tiny-16", "--layers", "a"]) == 0
    note, *_, last = capsys.readouterr().err.splitlines()
    seconds = WHOLE + HEADS + TAILS + BACKWARD - 1  # each pass of two samples takes 2 s
    assert note == f"tiny-16: about {seconds} seconds for 1 layer"
    assert last == "tiny-16: 20 ok (at 1 of 3 layers)"


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
        ({"size": 64}, "the card 'tiny-16' says size (64, 64), the generator (16, 16)"),
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
    assert "19 ok, 1 failed" in output.err


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
    mark = parametrize_with_checks([NoLayers, WithoutGradients]).mark
    runs = {parameter.id: parameter.values[0] for parameter in mark.args[1]}
    with pytest.raises(pytest.fail.Exception, match="there are none"):
        runs["NoLayers-layers"]()
    with pytest.raises(pytest.skip.Exception, match="cannot run before 'layers' passes"):
        runs["NoLayers-features"]()
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
