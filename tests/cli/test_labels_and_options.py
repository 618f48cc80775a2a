"""Verbs take NAME?steps=20@LABEL wherever they take a generator, and one label for each sample."""

from __future__ import annotations

import json

import pytest
import torch
from conditioned import CLASSES, TEXTS, conditioned

from panda import Factors, PandaError, create_generator
from panda.cli import main
from panda.generators.registry import find_card, full_name

__all__ = ["conditioned"]

HOUSE = "a red house, at night"
FIT = ["--parts", "2", "--seeds", "0-7"]


def run(*words, capsys, status=0):
    assert main([str(word) for word in words]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if "--json" in words else said.out + said.err


def test_a_fit_to_a_text_is_that_of_a_generator_held_to_it(conditioned, tmp_path, capsys):
    name = f"{TEXTS}?steps=8&guidance=5"
    run("fit", name, "b", *FIT, "--label", HOUSE, "--out", tmp_path / "a", capsys=capsys)
    run("fit", f"{name}@{HOUSE}", "b", *FIT, "--out", tmp_path / "b", capsys=capsys)
    one, other = (Factors.load(tmp_path / folder) for folder in "ab")
    assert torch.equal(one.parts, other.parts)
    for factors in (one, other):
        assert (factors.generator, factors.label) == (f"{TEXTS}?steps=8", HOUSE)


def test_several_labels_are_one_for_each_sample(conditioned, tmp_path, capsys):
    words = ["fit", TEXTS, "b", "--parts", "1", "--seeds", "0-1", "--out", tmp_path / "f"]
    run(*words, "--label", HOUSE, "--label", "a dog", capsys=capsys)
    factors = Factors.load(tmp_path / "f")
    assert factors.config["label"] == [HOUSE, "a dog"]
    words = ["edit", tmp_path / "f", "--edit", "0:0:1", "--seeds", "4-5", "--json"]
    each = run(*words, "--label", "a", "--label", "b", "--out", tmp_path / "e", capsys=capsys)
    assert each["label"] == ["a", "b"]
    both = run(*words, "--label", "a", "--out", tmp_path / "one", capsys=capsys)
    assert both["label"] == "a"
    pictures = [
        [(tmp_path / folder / f"000{seed}.png").read_bytes() for seed in (4, 5)]
        for folder in ("e", "one")
    ]
    assert pictures[0][0] == pictures[1][0]
    assert pictures[0][1] != pictures[1][1]
    words = [word for word in words if word != "--json"]
    words += [word for label in "abc" for word in ("--label", label)]
    said = run(*words, "--out", tmp_path / "x", capsys=capsys, status=2)
    assert "3 labels were given for 2 seeds" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fit", f"{CLASSES}@rad", "b"], f"{CLASSES} has no class 'rad'; did you mean 'red'?"),
        (["fit", CLASSES, "b", "--label", "rad"], "no class 'rad'; did you mean 'red'?"),
        (["fit", CLASSES, "b", "--label", "7"], "(red, light blue, green, or teal), but 7 was"),
        (["fit", CLASSES, "b", "--label", "0", "--label", "1"], "2 labels were given for 8 seeds"),
        (
            ["fit", f"{TEXTS}?step=3", "b"],
            "no option 'step'; did you mean 'steps'? It takes a whole",
        ),
        (["fit", f"{TEXTS}?steps=0", "b"], "option steps=0: expected a whole number from 1 to 100"),
        (["fit", TEXTS, "b", "--truncation", "0.5"], "has no truncation, so only 1 has a meaning"),
    ],
)
def test_what_cannot_be_is_one_sentence(conditioned, tmp_path, capsys, words, sentence):
    said = run(*words, *FIT, "--out", tmp_path / "f", capsys=capsys, status=2)
    assert sentence in said
    assert not (tmp_path / "f").exists()


def test_verbs_open_what_factors_name_and_draw_the_text_of_the_fit(conditioned, tmp_path, capsys):
    name = f"{TEXTS}?gray=true&steps=8@{HOUSE}"
    run("fit", name, "b", *FIT, "--out", tmp_path / "f", capsys=capsys)
    facts = run("parts", tmp_path / "f", "--json", "--out", tmp_path / "p", capsys=capsys)
    assert (facts["generator"], facts["label"]) == (f"{TEXTS}?steps=8&gray=true", HOUSE)
    words = ["parts", tmp_path / "f", "--out", tmp_path / "q", "--generator"]
    said = run(*words, TEXTS, capsys=capsys, status=2)
    assert "the same weights with other options are another generator" in said
    said = run(*words, f"{TEXTS}?steps=8&gray=true@a dog", capsys=capsys, status=2)
    assert f"factors of {TEXTS}?steps=8&gray=true@{HOUSE}" in said
    run(*words, name, capsys=capsys)


def test_info_shows_labels_and_options(conditioned, capsys):
    said = run("info", f"{TEXTS}?steps=8", capsys=capsys)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "labels any text" in lines
    assert "steps 8 steps of the sampler: a whole number from 1 to 100 (default: 4)" in lines
    assert "scheduler ddim the sampler: ddim, euler or heun (default: ddim)" in lines
    facts = run("info", f"{TEXTS}?steps=8", "--json", capsys=capsys)
    assert facts["name"] == f"{TEXTS}?steps=8"
    assert facts["options"][0] == {
        "name": "steps",
        "value": 8,
        "default": 4,
        "takes": "a whole number from 1 to 100",
        "about": "steps of the sampler",
    }
    said = run("info", CLASSES, capsys=capsys)
    assert "0 red, 1 light blue, 2 green, or teal" in said
    assert "did you mean 'steps'" in run("info", f"{TEXTS}?step=8", capsys=capsys, status=2)


def test_the_mini_biggan_has_names_for_its_classes(tmp_path, capsys):
    name = "mini-biggan-faces-64"
    assert "0 glasses, 1 hat, 2 long hair, 3 short hair" in run("info", name, capsys=capsys)
    held = create_generator(f"{name}@hat")
    whole = create_generator(name)
    assert torch.equal(held(held.sample(2)), whole(whole.sample(2, label=1)))
    run("fit", f"{name}@Long-Hair", "8.block1", *FIT, "--out", tmp_path / "f", capsys=capsys)
    assert Factors.load(tmp_path / "f").label == 2


def test_the_classes_of_imagenet_have_names_of_their_own():
    labels = find_card("biggan-deep-imagenet-128").labels
    assert len(labels) == len({name.casefold() for name in labels}) == 1000
    assert [labels[number] for number in (0, 207, 281, 999)] == [
        "tench",
        "golden retriever",
        "tabby",
        "toilet tissue",
    ]
    with pytest.raises(PandaError, match="'golden retriever' or .* .* names have this word"):
        create_generator("biggan-deep-imagenet-128@retriever")  # before anything is downloaded
    assert full_name("biggan-deep-imagenet-128@Golden-Retriever").endswith("@golden retriever")


def test_weights_are_fetched_whatever_the_options(conditioned, capsys):
    assert "needs no weights" in run("fetch", f"{TEXTS}?steps=8@a dog", capsys=capsys)
