"""The kit passes what is right, and each way of being wrong fails one check with one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import TinyGenerator
from torch.nn import functional as F

from panda import Latents, PandaError, State, registry
from panda.cli import main
from panda.generator import Layer
from panda.testing import CHECKS, check_generator, parametrize_with_checks
from panda.zoo import Card


class LayersUnderOtherNames(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers = {f"conv.{name}": layer for name, layer in self.layers.items()}


class LayersBackwards(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers = dict(reversed(self.layers.items()))


class OneStreamForTheBatch(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        latents = super().sample(seeds, label=label)
        stream = torch.Generator().manual_seed(seeds[0])
        z = torch.randn(latents.tensors["z"].shape, generator=stream, dtype=self.dtype)
        return Latents(latents.seeds, {"z": truncation * z})


class FreshNoise(TinyGenerator):
    def forward(self, latents):
        image = super().forward(latents)
        return image + 0.1 * torch.randn_like(image)


class WrongResolution(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.resolution = 32


class WeightsNeverLoaded(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.rgb.weight.zero_()


class ZeroToOne(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) / 2 + 0.5


class ZeroTo255(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) * 127.5


class LabelsIgnored(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=truncation)


class LabelsWithoutEffect(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if label not in (None, 0, 1):
            raise PandaError("labels are 0 and 1")
        return super().sample(seeds, truncation=truncation)


class TruncationIgnored(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, label=label)


class TruncatedByDefault(TinyGenerator):
    def sample(self, seeds, *, truncation=0.7, label=None):
        return super().sample(seeds, truncation=truncation, label=label)


class AlwaysSingle(TinyGenerator):
    def __init__(self, device, dtype):
        super().__init__(device, torch.float32)


class MoreChannelsDeclared(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.layers["b"] = Layer("b", 16, 8, 8)


class LeftOnTheCpu(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        self.device = torch.device("cpu")
        latents = super().sample(seeds, truncation=truncation, label=label)
        self.device = torch.device("cuda")
        return latents


class HalfPrecision(TinyGenerator):
    def head(self, latents, layer):
        x = super().head(latents, layer).x
        return State(x.half() if layer == "c" and self.dtype == torch.float32 else x)

    def tail(self, state, layer):
        return super().tail(State(state.x.to(self.dtype)), layer)


class KeyErrorForAnUnknownLayer(TinyGenerator):
    def layer(self, name):
        return self.layers[name]


class SkipDropped(TinyGenerator):
    def forward(self, latents):
        return super().forward(latents) + 0.1 * self.head(latents, "a").x.mean((1, 2, 3), True)


class OtherOrderOfAdditions(TinyGenerator):
    def forward(self, latents):
        return super().forward(latents) * (1 + 2**-23)


class DeadLayer(TinyGenerator):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x, latents)

    def tail(self, state, layer):
        x = super().head(state.rest, "b").x if layer == "b" else state.x
        return super().tail(State(x), layer)


class TailWritesIntoFeatures(TinyGenerator):
    def tail(self, state, layer):
        image = super().tail(State(state.x.clone()), layer)
        F.relu_(state.x)
        return image


class OneBufferForAll(TinyGenerator):
    def head(self, latents, layer):
        x = super().head(latents, layer).x
        buffers = self.__dict__.setdefault("buffers", {})
        kept = buffers.setdefault(layer, x.new_empty(4, *x.shape[1:]))[: len(x)]
        return State(kept.copy_(x))


class LatentsRoundedInPlace(TinyGenerator):
    def head(self, latents, layer):
        latents.tensors["z"].round_(decimals=2)
        return super().head(latents, layer)


class RestUsedUp(TinyGenerator):
    def head(self, latents, layer):
        return State(super().head(latents, layer).x, [0.1])

    def tail(self, state, layer):
        return super().tail(state, layer) + (state.rest.pop() if state.rest else 0)


class BatchStatistics(TinyGenerator):
    def head(self, latents, layer):
        z = latents.tensors["z"]
        return super().head(Latents(latents.seeds, {"z": z - z.mean(0) / 2}), layer)


class StillLearning(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.convs.requires_grad_(True)


class WithoutGradients(TinyGenerator):
    @torch.no_grad()
    def tail(self, state, layer):
        return super().tail(state, layer)


class RestKeptOnSelf(TinyGenerator):
    def head(self, latents, layer):
        self.kept = latents.tensors["z"][:, :1, None, None]
        return super().head(latents, layer)

    def tail(self, state, layer):
        return super().tail(state, layer) + 0.1 * self.kept

    def forward(self, latents):
        return self.tail(self.head(latents, "c"), "c")


class RestKeptByTheLastLayer(RestKeptOnSelf):
    def head(self, latents, layer):
        if layer == "c" or not hasattr(self, "kept"):
            self.kept = latents.tensors["z"][:, :1, None, None]
        return TinyGenerator.head(self, latents, layer)


class PartOfTheFeatures(TinyGenerator):
    part = (slice(None),)

    def head(self, latents, layer):
        x = super().head(latents, layer).x
        return State(x, x)

    def tail(self, state, layer):
        x = state.rest.clone()
        x[self.part] = state.x[self.part]
        return super().tail(State(x), layer)


class FirstChannel(PartOfTheFeatures):
    part = (slice(None), 0)


class FirstPixel(PartOfTheFeatures):
    part = (..., 0, 0)


class FirstSample(PartOfTheFeatures):
    part = (0,)


class LearningInAList(TinyGenerator):
    def __init__(self, *place):
        super().__init__(*place)
        self.convs = list(self.convs.requires_grad_(True))

    forward = torch.no_grad()(TinyGenerator.forward)


class EverybodysSeed(TinyGenerator):
    def head(self, latents, layer):
        torch.manual_seed(0)
        return super().head(latents, layer)


class EverybodysNumPy(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        np.random.seed(seeds[0])
        return super().sample(seeds, truncation=truncation, label=label)


class TruncatedOrNot(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        return super().sample(seeds, truncation=float(truncation > 0), label=label)


class TwentySeeds(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        few = [seed % 20 for seed in seeds]
        drawn = super().sample(few, truncation=truncation, label=label)
        return Latents(tuple(seeds), drawn.tensors)


class ExcusedByAList(TinyGenerator):
    excused = ["gradient"]  # noqa: RUF012


class ExcusedByNobody(TinyGenerator):
    excused = None


class ExcusedByNumber(TinyGenerator):
    excused = {1: "odd"}  # noqa: RUF012


class ExcusedWithANumber(TinyGenerator):
    excused = {"gradient": 3}  # noqa: RUF012


class ExitsTheProcess(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if truncation == 0.5:
            raise SystemExit(3)
        return super().sample(seeds, truncation=truncation, label=label)


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


class RaisesWithoutWords(TinyGenerator):
    def sample(self, seeds, *, truncation=1.0, label=None):
        if truncation == 0.5:
            raise SilentError
        return super().sample(seeds, truncation=truncation, label=label)


class Crash(TinyGenerator):
    def tail(self, state, layer):
        return super().tail(state, layer) + len(state.rest)

    def forward(self, latents):
        return super().tail(self.head(latents, "a"), "a")


BROKEN = {
    LayersUnderOtherNames: ("layers", "at layer 'conv.a': its Layer is named 'a'"),
    LayersBackwards: ("layers", "list layers as the network runs"),
    OneStreamForTheBatch: ("seeds", "draw each by its own seed"),
    FreshNoise: ("repeatable", "fix the noise"),
    WrongResolution: ("images", "forward gives [2, 3, 16, 16], expected [2, 3, 32, 32]"),
    WeightsNeverLoaded: ("images", "were the weights loaded?"),
    ZeroToOne: ("image_range", "return 2 x - 1"),
    ZeroTo255: ("image_range", "half of the values lie beyond"),
    LabelsIgnored: ("labels", "label -1 is taken; raise PandaError"),
    LabelsWithoutEffect: ("labels", "pass the label on to the network"),
    TruncationIgnored: ("truncation", "move latents to their mean"),
    TruncatedByDefault: ("truncation", "let 1 be the default"),
    AlwaysSingle: ("precision", "are torch.float32 when loaded in float64; pass dtype on"),
    MoreChannelsDeclared: ("features", "at layer 'b': head gives [2, 12, 8, 8], its Layer"),
    HalfPrecision: ("features", "head gives torch.float16 on cpu, expected torch.float32"),
    LeftOnTheCpu: ("features", "on cpu, expected torch.float32 on cuda"),
    KeyErrorForAnUnknownLayer: ("unknown_layer", "head raises KeyError; look it up by self.layer"),
    SkipDropped: ("resume", "carry all but the features in State.rest (also at b, c)"),
    OtherOrderOfAdditions: ("resume", "that is rounding"),
    DeadLayer: ("sensitivity", "at layer 'b': other features give the same image"),
    TailWritesIntoFeatures: ("in_place", "tail writes into state.x; work on a copy"),
    OneBufferForAll: ("in_place", "a later head writes into features given before"),
    LatentsRoundedInPlace: ("in_place", "the latents are written to"),
    RestUsedUp: ("in_place", "tail writes into state.rest"),
    BatchStatistics: ("batch", "something mixes samples"),
    StillLearning: ("frozen", "call requires_grad_(False)"),
    WithoutGradients: ("gradient", "at layer 'a': none arrive"),
    RestKeptOnSelf: ("in_place", "at layer 'a': after another head, tail gives another image"),
    RestKeptByTheLastLayer: ("in_place", "keep nothing on self, carry it in State.rest"),
    FirstChannel: ("sensitivity", "(changed: last channels, lower right, second sample)"),
    FirstPixel: ("sensitivity", "let tail start from all of state.x"),
    FirstSample: ("sensitivity", "second sample"),
    LearningInAList: ("frozen", "call requires_grad_(False)"),
    EverybodysSeed: ("in_place", "are seeded or drawn; use a generator of your own"),
    EverybodysNumPy: ("in_place", "(torch's, NumPy's or Python's)"),
    TruncatedOrNot: ("truncation", "images are the same at truncations 1 and 0.5"),
    TwentySeeds: ("seeds", "seeds 3 and 1000003 have the same latents"),
    ExcusedByAList: ("excuses", "excused is ['gradient']; expected {check: reason}"),
    ExcusedByNobody: ("excuses", "excused is None"),
    ExcusedByNumber: ("excuses", "excused[1] = 'odd'; expected a check"),
    ExcusedWithANumber: ("excuses", "excused['gradient'] = 3; expected a check"),
    ExitsTheProcess: ("truncation", "it raised SystemExit: 3 (test_conformance_kit.py"),
    RaisesWithoutWords: ("truncation", "it raised SilentError:  (test_conformance_kit.py"),
}


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


@pytest.mark.parametrize("good", [TinyGenerator, EmptyLatent, TrueOrFalse])
def test_a_generator_as_it_should_be_passes_every_check(good):
    results = check_generator(good)
    assert {result.status for result in results} == {"ok"}, failed(results)
    assert [result.check for result in results] == [name for name in CHECKS if name != "card"]


@pytest.mark.parametrize("fake", BROKEN, ids=lambda fake: fake.__name__)
def test_each_way_of_being_wrong_fails_one_check_with_a_sentence(fake):
    check, sentence = BROKEN[fake]
    found = failed(check_generator(fake))
    assert list(found) == [check], found
    assert sentence in found[check]


def test_every_check_catches_something():
    caught = {check for check, _ in BROKEN.values()}
    assert caught | {"card"} == set(CHECKS)


def test_a_crash_is_told_by_its_place():
    found = failed(check_generator(Crash))
    assert set(found) >= {"resume", "sensitivity"}
    said = found["resume"]
    assert said.startswith("at layer 'a': it raised TypeError: object of type 'NoneType' has no")
    assert "(test_conformance_kit.py, line " in said


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
        ({"batch": "hard"}, "batch", "'batch' is excused (hard), but it holds; take the excuse"),
        ({"batch[b]": "hard"}, "batch", "'batch[b]' is excused (hard), but it holds"),
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
        card = Card("Tiny", "none", **{"resolution": 16, "layers": layers, **facts},
                    license="MIT", origin="here", load=fake)  # fmt: skip
        bring = registry.Plugin("fakes", "tests", "1", {"tiny-16": card})
        monkeypatch.setattr(registry, "plugins", lambda: (bring,))

    return register


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"resolution": 64}, "it says 64 pixels, the generator 16"),
        ({"layers": (Layer("z", 1, 2, 2),)}, "correct the card"),
    ],
)
def test_a_card_that_says_something_else_is_caught(registered, facts, sentence):
    registered(TinyGenerator, **facts)
    found = failed(check_generator("tiny-16"))
    assert list(found) == ["card"]
    assert sentence in found["card"]


def test_panda_check_tells_every_check_and_exits_1_for_a_failed_one(registered, capsys):
    registered(TinyGenerator)
    assert main(["check", "tiny-16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(CHECKS)
    assert all(line.startswith("ok ") for line in lines)
    registered(DeadLayer)
    assert main(["check", "tiny-16", "--json"]) == 1
    said = capsys.readouterr()
    results = {result["check"]: result for result in json.loads(said.out)}
    assert results["sensitivity"]["status"] == "failed"
    assert "17 ok, 1 failed" in said.err


def test_panda_check_of_what_is_not_there_is_wrong_use(registered, capsys):
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


def test_pytest_is_told_of_failures_excuses_and_skips(monkeypatch):
    monkeypatch.setattr(WithoutGradients, "excused", {"gradient": "runs in ONNX"})
    mark = parametrize_with_checks([LayersBackwards, WithoutGradients]).mark
    runs = {parameter.id: parameter.values[0] for parameter in mark.args[1]}
    with pytest.raises(pytest.fail.Exception, match="list layers as the network runs"):
        runs["LayersBackwards-layers"]()
    with pytest.raises(pytest.skip.Exception, match="cannot be told before 'layers' holds"):
        runs["LayersBackwards-seeds"]()
    with pytest.raises(pytest.xfail.Exception, match="runs in ONNX"):
        runs["WithoutGradients-gradient"]()
    runs["WithoutGradients-resume"]()
