"""A label is a number, a name or a text; a generator declares which it takes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from conditioned import CLASSES, COLORS, TEXTS, NamedClasses, TextGenerator, conditioned
from conftest import CPU, TinyGenerator

from panda import Card, Factors, Latents, PandaError, create_generator, fit
from panda.directions.changes import SeedChange
from panda.generators.labels import ANY_TEXT, as_label, as_names, label_text
from panda.generators.one_class import OneClass, whole
from panda.generators.shared import share
from panda.inversion import Inversion

__all__ = ["conditioned"]

HOUSE, DOG = "a red house, at night", "a dog"


@pytest.fixture
def texts():
    return TextGenerator(CPU, torch.float32)


@pytest.fixture
def classes():
    generator = NamedClasses()
    generator.name = "named"
    return generator


@pytest.mark.parametrize("label", [1, np.int64(1), "1", "light blue", "Light-Blue", " light_blue "])
def test_a_class_is_given_by_number_or_name(classes, label):
    drawn = classes.sample(2, label=label)
    assert drawn.labels == (1, 1)
    assert torch.equal(drawn.tensors["z"], classes.sample(2, label=1).tensors["z"])


def test_a_name_that_is_a_number_goes_before_the_number():
    assert as_label("0", ("9", "0")) == 1
    assert as_label(0, ("9", "0")) == 0


def test_of_names_that_differ_by_case_each_is_found_as_it_is_written():
    assert [as_label(name, ("Cardigan", "cardigan")) for name in ("cardigan", "Cardigan")] == [1, 0]
    with pytest.raises(PandaError, match="no class 'CARDIGAN'; did you mean"):
        as_label("CARDIGAN", ("Cardigan", "cardigan"))


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (3, "named has classes 0 to 2 (red, light blue, green, or teal), but 3 was given"),
        (-1, "named has classes 0 to 2"),
        ("4", "but 4 was given"),
        ("rad", "named has no class 'rad'; did you mean 'red'?"),
        ("blue", "named has no class 'blue'; did you mean 'light blue'?"),
        (["red", "rad"], "named has no class 'rad'"),
        (1.5, "label 1.5 is not a whole number or text"),
        (["red"], "1 labels were given for 2 seeds"),
    ],
)
def test_classes_that_there_are_not_are_refused_before_the_backend_sees_them(
    classes, label, sentence
):
    with pytest.raises(PandaError, match=re.escape(sentence)):
        classes.sample(2, label=label)


def test_of_many_names_those_with_the_word_are_suggested():
    names = ("hot dog", "hunting dog", "Eskimo dog", "sea dog", "dog sled", "cat")
    with pytest.raises(PandaError, match="mean 'hot dog' or .* or 'sea dog'.* .5 names have this"):
        as_label("dog", names)


def test_a_text_reaches_the_backend_as_it_is_and_latents_keep_it(texts):
    drawn = texts.sample([3, 4], label=HOUSE)
    assert texts.asked == [HOUSE]
    assert drawn.labels == (HOUSE, HOUSE)
    mixed = texts.sample([3, 4, 5], label=[DOG, HOUSE, DOG])
    assert mixed.labels == (DOG, HOUSE, DOG)
    assert texts.asked[1:] == [DOG, HOUSE]
    assert torch.equal(mixed[1].tensors["z"], texts.sample([4], label=HOUSE).tensors["z"])
    assert mixed[1].labels == (HOUSE,)
    assert Latents.cat([mixed, drawn]).labels == (DOG, HOUSE, DOG, HOUSE, HOUSE)
    assert texts.sample(1).labels is None
    assert texts.sample(1, label="7").labels == ("7",)


def test_a_number_is_no_text(texts):
    with pytest.raises(PandaError, match="tiny takes any text, but the number 3 was given"):
        texts.sample(1, label=3)


def test_latents_take_labels_of_numpy_as_plain_numbers():
    latents = Latents((0, 1), {"z": torch.zeros(2, 1)}, labels=tuple(np.array([2, 0])))
    assert latents.labels == (2, 0)
    assert {type(label) for label in latents.labels} == {int}


def test_a_generator_is_held_to_a_text_or_to_a_class_by_name(texts, classes):
    held = OneClass(texts, HOUSE)
    assert (held.name, whole(held)) == (f"tiny@{HOUSE}", ("tiny", HOUSE))
    assert held.sample(2).labels == (HOUSE, HOUSE)
    with pytest.raises(PandaError, match="restricted to its label, but 'a dog' was given"):
        held.sample(2, label=DOG)
    held = OneClass(share(classes), "Light Blue")
    assert (held.name, held.label) == ("named@light blue", 1)
    assert held.sample(2, label="light blue").labels == (1, 1)
    with pytest.raises(PandaError, match="has no class 'rad'"):
        OneClass(classes, "rad")
    with pytest.raises(PandaError, match=r"label 1.5 is not a whole number, a name or a text"):
        OneClass(classes, 1.5)


def test_factors_of_a_text_are_repeatable_to_the_bit_and_keep_it(texts, tmp_path):
    factors = fit(texts, "b", parts=2, seeds=6, label=HOUSE)
    other = fit(texts, "b", parts=2, seeds=6, label=DOG)
    held = fit(OneClass(texts, HOUSE), "b", parts=2, seeds=6, resume=tmp_path / "journal")
    factors.save(tmp_path / "factors")
    again = Factors.load(tmp_path / "factors")
    assert again.label == held.label == HOUSE
    for same in (again, held):
        assert torch.equal(same.parts, factors.parts)
        assert same.generator == "tiny"
    assert not torch.equal(other.parts, factors.parts)
    with pytest.raises(PandaError, match=f"factors of tiny@{HOUSE}, .* generator is tiny@a dog"):
        factors.check(OneClass(texts, DOG))
    each = fit(texts, "b", parts=2, seeds=2, label=[DOG, HOUSE])
    assert each.config["label"] == [DOG, HOUSE]
    assert each.label is None


def test_the_way_to_another_sample_is_within_its_text(texts):
    texts.sample(2, label=[DOG, HOUSE])
    assert SeedChange(7, label=HOUSE).label == HOUSE


def test_an_inversion_keeps_the_text(texts, tmp_path):
    latents, pictures = texts.sample(2, label=HOUSE), torch.zeros(2, 3, 16, 16)
    figures = {"lpips": [0.0, 0.0], "pixels": [0.0, 0.0], "pictures": ["a", "b"]}
    config = {"weights_sha256": texts.digest, "label": HOUSE, **figures}
    Inversion.of("tiny", latents, pictures, pictures, config).save(tmp_path / "inverted")
    again = Inversion.load(tmp_path / "inverted").latents_for(texts)
    assert again.labels == (HOUSE, HOUSE)
    assert torch.equal(texts(again), texts(latents))


@pytest.mark.parametrize(
    ("name", "label", "canonical"),
    [
        (f"{CLASSES}@Light-Blue", 1, f"{CLASSES}@light blue"),
        (f"{CLASSES}@2", 2, f"{CLASSES}@green, or teal"),
        (f"{TEXTS}@{HOUSE}", HOUSE, f"{TEXTS}@{HOUSE}"),
        (f"{TEXTS}@mail me@home? why/not", "mail me@home? why/not", None),
    ],
)
def test_a_name_takes_a_label_behind_it(conditioned, name, label, canonical):
    generator = create_generator(name)
    assert generator.name == (canonical or name)
    assert generator.sample(1).labels == (label,)
    assert create_generator(generator.name).name == generator.name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (f"{CLASSES}@rad", "no class 'rad'; did you mean 'red'?"),
        (f"{CLASSES}@", "ends with @; expected a class or text behind it"),
        ("toy-class-16@red", "no generator 'toy-class-16'; did you mean 'toy-classes-16'"),
        (f"{TEXTS}@a dog?steps=3", "options stand before the class or text, as in NAME?steps=20@L"),
    ],
)
def test_a_label_that_cannot_be_is_one_sentence(conditioned, name, sentence):
    with pytest.raises(PandaError, match=re.escape(sentence)):
        create_generator(name)


@pytest.mark.parametrize("labels", ["blue", 3, ("a", ""), (1, 2)])
def test_labels_are_names_or_any_text(labels):
    with pytest.raises(PandaError, match="names of classes"):
        as_names(labels)
    with pytest.raises(PandaError, match="names of classes"):
        Card("Toy", "none", 16, "MIT", "here", load=TinyGenerator, labels=labels)


def test_a_label_is_written_by_its_name_where_it_has_one():
    written = [label_text(*pair) for pair in ((1, COLORS), (5, COLORS), (1, ()), ("x", ANY_TEXT))]
    assert written == ["light blue", "5", "1", "x"]


def test_a_generator_may_refuse_every_truncation_in_one_word(texts):
    assert texts.usual_truncation == 1.0
    assert len(texts.sample(2, truncation=1)) == 2
    with pytest.raises(PandaError, match=r"tiny has no truncation, .* but 0.5 was given"):
        texts.sample(2, truncation=0.5)
    with pytest.raises(PandaError, match="no truncation"):
        OneClass(share(texts), DOG).sample(2, truncation=0)


def test_plugins_of_before_have_class_names_with_a_warning():
    with pytest.warns(DeprecationWarning, match="Old has class_names; call them labels instead"):

        class Old(TinyGenerator):
            class_names = ("a", "b")

    generator = Old()
    assert generator.labels == ("a", "b")
    with pytest.warns(DeprecationWarning, match=r"Old.class_names is now labels"):
        assert generator.class_names == ("a", "b")
    with pytest.warns(DeprecationWarning, match="Old sets class_names; set labels instead"):
        generator.class_names = ["c"]
    assert generator.labels == ("c",)
    facts = "Toy", "none", 16, "MIT", "here"
    with pytest.warns(DeprecationWarning, match=r"Card.class_names=.*is now Card.labels=") as said:
        card = Card(*facts, load=TinyGenerator, class_names=("a",))
    assert card.labels == ("a",)
    assert [warning.filename for warning in said] == [__file__]
    with pytest.warns(DeprecationWarning, match=r"Card.class_names is now labels"):
        assert card.class_names == ("a",)
