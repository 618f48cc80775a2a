"""Options of loading reach the card's `load` checked and typed, and are part of the name."""

from __future__ import annotations

import re

import pytest
import torch
from conditioned import TEXTS, conditioned
from safetensors.torch import save_file

from panda import Card, Factors, PandaError, create_generator, fit
from panda.factorization.cached import cached_folder
from panda.generators.entries import find_entries
from panda.generators.options import Option
from panda.generators.reference import Reference, read_reference
from panda.generators.registry import full_name

__all__ = ["conditioned"]

DEFAULTS = {"steps": 4, "guidance": 5.0, "scheduler": "ddim", "gray": False}


@pytest.mark.parametrize(
    ("options", "changed", "name"),
    [
        ("", {}, ""),
        ("?steps=20", {"steps": 20}, "?steps=20"),
        ("?guidance=7.5&steps=20", {"steps": 20, "guidance": 7.5}, "?steps=20&guidance=7.5"),
        ("?guidance=7", {"guidance": 7.0}, "?guidance=7"),
        ("?scheduler=euler&gray=True", {"scheduler": "euler", "gray": True}, None),
        ("?steps=4&guidance=5.0&gray=false", {}, ""),
        ({"steps": torch.tensor(20)}, {"steps": 20}, "?steps=20"),
        ({"guidance": 0, "gray": True}, {"guidance": 0.0, "gray": True}, "?guidance=0&gray=true"),
    ],
)
def test_options_reach_load_in_their_type_and_the_name_in_one_form(
    conditioned, options, changed, name
):
    if isinstance(options, str):
        generator = create_generator(TEXTS + options)
        assert full_name(TEXTS + options) == generator.name
    else:
        generator = create_generator(TEXTS, options=options)
    assert generator.given == {**DEFAULTS, **changed}
    kinds = {key: type(value) for key, value in generator.given.items()}
    assert kinds == {key: type(value) for key, value in DEFAULTS.items()}
    expected = "?scheduler=euler&gray=true" if name is None else name
    assert generator.name == TEXTS + expected
    assert create_generator(generator.name).given == generator.given


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "?stps=20",
            f"{TEXTS} has no option 'stps'; did you mean 'steps'? It takes a whole number",
        ),
        ("?x=20", f"{TEXTS} has no option 'x'; valid: steps, guidance, scheduler, gray"),
        ("?steps=0", "option steps=0: expected a whole number from 1 to 100"),
        ("?steps=2.5", "option steps=2.5: expected a whole number from 1 to 100"),
        ("?steps=many", "option steps=many: expected a whole number"),
        ("?guidance=nan", "option guidance=nan: expected a number from 0 to 20"),
        ("?scheduler=eular", "expected ddim, euler or heun; did you mean 'euler'?"),
        ("?gray=1", "option gray=1: expected true or false"),
        ("?steps", "expected options as NAME?steps=20&other=5, each once, but 'steps' was given"),
        ("?steps=2&steps=3", "each once, but 'steps=3' was given"),
        ("?steps=2&", "but '' was given"),
        ("?steps=", "but 'steps=' was given"),
        ({"steps": True}, "option steps=True: expected a whole number"),
        ({"steps": "2", "guidance": [1, 2]}, "option guidance=[1, 2]: expected a number from 0"),
    ],
)
def test_what_no_option_takes_is_one_sentence(conditioned, options, sentence):
    with pytest.raises(PandaError, match=re.escape(sentence)):
        if isinstance(options, str):
            create_generator(TEXTS + options)
        else:
            create_generator(TEXTS, options=options)


def test_a_generator_without_options_says_so(conditioned):
    with pytest.raises(PandaError, match="toy-classes-16 has no option 'steps'; it has none"):
        create_generator("toy-classes-16?steps=3")
    with pytest.raises(PandaError, match="'steps' is given behind the name and beside it"):
        create_generator(f"{TEXTS}?steps=3", options={"steps": 3})


def test_factors_keep_options_and_are_refused_by_others(conditioned, tmp_path):
    generator = create_generator(f"{TEXTS}?guidance=7&steps=8@a dog")
    assert generator.name == f"{TEXTS}?steps=8&guidance=7@a dog"
    factors = fit(generator, "b", parts=2, seeds=8)
    factors.save(tmp_path / "factors")
    again = Factors.load(tmp_path / "factors")
    assert (again.generator, again.label) == (f"{TEXTS}?steps=8&guidance=7", "a dog")
    same = create_generator(again.generator)
    again.check(same)
    assert torch.equal(fit(same, "b", parts=2, seeds=8, label="a dog").parts, factors.parts)
    for other in (TEXTS, f"{TEXTS}?steps=8", f"{TEXTS}?steps=9&guidance=7"):
        with pytest.raises(PandaError, match="same weights with other options are another"):
            again.check(create_generator(other))


def test_each_label_and_option_has_a_folder_of_the_cache(conditioned):
    names = TEXTS, f"{TEXTS}@a dog", f"{TEXTS}@a_dog", f"{TEXTS}?steps=8", f"{TEXTS}@{'x' * 500}"
    folders = {cached_folder(name, "b", 2, 12) for name in names}
    assert len(folders) == len(names)
    assert all(len(folder.parent.name) < 60 for folder in folders)


def test_a_comparison_takes_options_and_texts(conditioned):
    house, steps = "a red house, by the sea" * 20, "?gray=false&steps=8"
    entries = find_entries([f"{TEXTS}{steps}", f"{TEXTS}@{house}", "toy-c*@green, or teal"])
    assert [(entry.generator, entry.label) for entry in entries[:2]] == [
        (f"{TEXTS}?steps=8", None),
        (TEXTS, house),
    ]
    assert [entry.label for entry in entries[2:]] == [2]
    assert [one.label for one in find_entries("toy-c*@0,red,Light-Blue")] == [0, 1]
    assert entries[0].name == f"{TEXTS}?steps=8"
    assert all(len(entry.folder) < 120 for entry in entries)
    with pytest.raises(PandaError, match="'a dog' and 'a_dog' would both be called"):
        find_entries([f"{TEXTS}@a dog", f"{TEXTS}@a_dog"])


def test_a_file_takes_the_options_of_its_architecture(conditioned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file({"toy": torch.zeros(1)}, "a@b.safetensors")
    for name in ("a@b.safetensors?gray=true", tmp_path / "a@b.safetensors?gray=true"):
        generator = create_generator(name)
        assert generator.gray is True
        assert generator.name == str(tmp_path / "a@b.safetensors?gray=true")
    generator = create_generator("a@b.safetensors?gray=false")
    assert (generator.gray, generator.name) == (False, str(tmp_path / "a@b.safetensors"))
    with pytest.raises(PandaError, match="this file has no option 'grey'; did you mean 'gray'"):
        create_generator("a@b.safetensors?grey=true")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it", Reference("it")),
        ("it?a=1&b=x", Reference("it", {"a": "1", "b": "x"})),
        ("it?a=1@me@home", Reference("it", {"a": "1"}, "me@home")),
        ("it@what? a/b", Reference("it", {}, "what? a/b")),
        ("odd@it@red", Reference("odd@it", {}, "red")),
        ("mini-?-x", Reference("mini-?-x")),
        ("mini-?-x?a=1", Reference("mini-?-x", {"a": "1"})),
        ("mini-*@0-3", Reference("mini-*", {}, "0-3")),
        ("/a@b/gone.pkl", Reference("/a@b/gone.pkl")),
        ("/a@b/gone.pkl?a=1@red", Reference("/a@b/gone.pkl", {"a": "1"}, "red")),
    ],
)
def test_a_text_is_taken_apart(text, expected):
    assert read_reference(text, {"it", "odd@it"}) == expected


@pytest.mark.parametrize(
    "facts",
    [
        {"default": "ddim"},
        {"default": None},
        {"default": 3, "low": 4},
        {"default": 3, "choices": (1, 2)},
        {"default": 3, "choices": (3, "4")},
        {"default": "a", "choices": ("a", "b&c")},
    ],
)
def test_a_declaration_that_cannot_hold_is_refused(facts):
    with pytest.raises(PandaError, match="an option has default"):
        Option(**facts, about="it")


def test_the_names_of_options_are_plain():
    for name in ("Steps", "a b", "a=b"):
        with pytest.raises(PandaError, match="expected a name of small letters"):
            Card("T", "none", 16, "MIT", "here", load=print, options={name: Option(1, "it")})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (Option(1, "it", low=1), "a whole number from 1 on"),
        (Option(1.5, "it", high=2), "a number up to 2"),
        (Option(1.5, "it"), "a number"),
        (Option(2, "it", choices=(1, 2)), "1 or 2"),
        (Option(True, "it"), "true or false"),
    ],
)
def test_an_option_says_what_it_takes(option, words):
    assert option.takes == words
