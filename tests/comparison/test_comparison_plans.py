"""What `panda compare` takes on: generators, one of their classes, plans, layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from comparing import SMALL, STYLEGAN2
from conditioned import TEXTS, conditioned
from golden_files import FOLDER

from panda import PandaError
from panda.comparison import QUICK, Plan, compare
from panda.comparison.decoding import decode
from panda.comparison.plan import background_layers, layer_at
from panda.comparison.results import Depth
from panda.generators.contract import Layer
from panda.generators.entries import Entry, find_entries
from panda.generators.one_class import OneClass

__all__ = ["conditioned"]


def test_entries_are_names_patterns_files_and_classes(monkeypatch):
    found = find_entries(["progan-*", "progan-celeba-128", f"{STYLEGAN2}", f"{STYLEGAN2}@0-1"])
    assert found[0] == Entry("progan-celeba-128")
    assert [one.name for one in found[-3:]] == [
        "stylegan2-ada/network.pkl",
        "stylegan2-ada/network.pkl@0",
        "stylegan2-ada/network.pkl@1",
    ]
    assert found[-1].folder == "stylegan2-ada_network.pkl@1" and len(found) == len(set(found))
    eyes = "dcgan-omniart-eyes-128"
    for text in (f"{eyes}@blue,gray", [f"{eyes}@Blue", f"{eyes}@3"], "dcgan-*@1,3"):
        entries = find_entries(text)
        assert entries == [Entry(eyes, 1), Entry(eyes, 3)]
        assert [one.name for one in entries] == [f"{eyes}@blue", f"{eyes}@gray"]
    with pytest.raises(PandaError, match="has no class 'grey'; did you mean 'gray'"):
        find_entries("dcgan-*@grey")
    with pytest.raises(PandaError, match="has classes 0 to 7 .amber, .*, but 8 was given"):
        find_entries(f"{eyes}@0-8")
    with pytest.raises(PandaError, match="no generator matches 'mino-\\*'"):
        find_entries(["mino-*"])
    with pytest.raises(PandaError, match="did you mean 'progan-celeba-128'"):
        find_entries(["progan-celeba-12"])
    with pytest.raises(PandaError, match="no generators were given"):
        find_entries([])


def test_one_class_is_a_generator_without_classes(tmp_path):
    from panda import create_generator

    whole = create_generator(FOLDER / "biggan-ajbrock/state_dict.safetensors")
    one = OneClass(whole, 1)
    latents, same = one.sample([3, 4]), whole.sample([3, 4], label=1)
    assert all(torch.equal(latents.tensors[k], same.tensors[k]) for k in same.tensors)
    with pytest.raises(PandaError, match="restricted to its label"):
        one.sample([1], label=0)
    layer = next(iter(one.layers))
    assert torch.equal(one.tail(one.head(latents, layer), layer), whole.forward(same))
    with pytest.raises(PandaError):
        OneClass(whole, 10_000)


def test_plans_out_of_range_are_refused():
    with pytest.raises(PandaError, match="at least one"):
        Plan(parts=0)
    with pytest.raises(PandaError, match="more than once"):
        Plan(levels=(4, 4))
    assert QUICK.levels == (4,)


def test_layers_are_matched_by_their_size_in_the_image(tiny):
    assert layer_at(tiny, 4).name == "a" and layer_at(tiny, 1).name == "c"
    assert layer_at(tiny, 16) is None
    tiny.layers["d"] = Layer("d", 12, 12, 12, margin=2)
    assert layer_at(tiny, 2).name == "d"  # 8 inside the image, and later than b
    assert [layer.name for layer in background_layers(tiny, SMALL)] == ["a", "d", "c"]


def test_plans_take_any_form_of_whole_numbers():
    plan = Plan(levels="8,4", samples=np.int64(20), parts=torch.tensor(3))
    assert plan == Plan(levels=[8, torch.tensor(4)], samples=20, parts=3)
    assert Plan(levels=np.array([4, 2])).levels == (4, 2)
    assert Plan(levels=8).levels == (8,)
    assert {type(level) for level in plan.levels} == {type(plan.samples)} == {int}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"levels": "many"}, "levels 'many' cannot be read"),
        ({"levels": [2.5]}, "2.5 levels, expected a whole number"),
        ({"levels": None}, "None levels, expected a whole number"),
        ({"levels": []}, "no levels were given"),
        ({"samples": "few"}, "'few' samples, expected a whole number"),
        ({"scored": 0}, "0 scored, expected at least one"),
    ],
)
def test_what_is_no_number_is_one_sentence(options, said):
    with pytest.raises(PandaError, match=said):
        Plan(**options)


def test_figures_are_decoded_as_they_were_or_refused():
    facts = {"layer": "a", "size": 4, "share": [0.5, 0.0], "contrast": [1, 0.5], "selected": 1}
    depth = decode(Depth, facts)
    assert depth == Depth("a", 4, (0.5, 0.0), (1.0, 0.5), 1.0) and type(depth.selected) is float
    assert decode(Depth, {**facts, "iou": [0.5, 0.25]}).iou == (0.5, 0.25)
    assert decode(Depth, {**facts, "iou": None}).iou is None
    for changes, said in (
        ({"size": "4"}, "'4' in place of int"),
        ({"size": True}, "True in place of int"),
        ({"selected": None}, "None in place of float"),
        ({"iou": [0.5]}, "1 values in place of 2"),
        ({"more": 1}, "unknown or missing: more"),
    ):
        with pytest.raises(TypeError, match=said):
            decode(Depth, {**facts, **changes})
    with pytest.raises(TypeError, match="missing: contrast, selected, share, size"):
        decode(Depth, {"layer": "a"})
    with pytest.raises(ValueError, match="0 positions"):
        decode(Depth, {**facts, "size": 0})


def test_texts_of_one_generator_are_compared_and_resume(conditioned, tmp_path):
    plan = replace(SMALL, levels=(2,), samples=6, sets=1, scored=1, images=1)
    names = [f"{TEXTS}?steps=8@a dog", f"{TEXTS}?steps=8@a red house"]
    found = compare(names, tmp_path / "out", plan)
    assert [(one.name, one.generator, one.label) for one in found.generators] == [
        (name, f"{TEXTS}?steps=8", name.partition("@")[2]) for name in names
    ]
    assert found.failures == ()
    again = compare(names, tmp_path / "out", plan)
    assert [one.levels for one in again.generators] == [one.levels for one in found.generators]
    assert all(one.architecture == "Tiny" for one in again.generators)
