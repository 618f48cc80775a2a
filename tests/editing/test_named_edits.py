"""Edits by name: which one is meant, and whether factors are those that it is for."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from conditioned import NamedClasses
from planted import planted

from panda import PandaError
from panda.editing import named
from panda.editing.edit_files import NamedEdit, edits_text, read_edits, write_edits
from panda.editing.named import check_factors, factors_of, find_named
from panda.generators.one_class import OneClass
from panda.generators.shared import share

EDIT = NamedEdit("planted", "l", 3, 2, ("0:p0:4sd", "1:bg:2"))


def test_the_only_edit_of_a_file_needs_no_name(tmp_path):
    path = tmp_path / "zoo.json"
    write_edits(path, {"a": EDIT})
    assert find_named(str(path)) == find_named(f"{path}:a") == ("a", EDIT)
    write_edits(path, {"a": EDIT, "b": replace(EDIT, parts=5)})
    assert find_named(f"{path}:b") == ("b", replace(EDIT, parts=5))
    with pytest.raises(PandaError) as said:
        find_named(str(path))
    assert str(said.value) == (
        f"{str(path)!r} is no edit; valid: a, b; expected PARTS:APPEARANCE:STRENGTH such as"
        " 3:12:30, a name that 'panda edits' lists, or FILE.json:NAME"
    )


def test_edits_that_come_with_generators_are_found_by_name(monkeypatch):
    monkeypatch.setattr(named, "named_edits", lambda generator: {"smile": EDIT})
    assert find_named("smile") == ("smile", EDIT)
    with pytest.raises(PandaError, match="'smlie' is no edit; did you mean 'smile'"):
        find_named("smlie")


def test_factors_are_refused_by_what_differs():
    factors = planted()[0]
    check_factors("a", EDIT, factors)
    others = {"generator": "other", "layer": "m", "appearances": 4, "parts": 3}
    for field, value in others.items():
        with pytest.raises(PandaError) as said:
            check_factors("a", replace(EDIT, **{field: value}), factors)
        numbers = {"appearances": 3, "parts": 2, "generator": "planted", "layer": "l"}
        expected = "{appearances} appearances and {parts} parts of {generator} {layer}"
        assert str(said.value) == (
            f"edit 'a' is for {expected.format(**numbers | {field: value})},"
            " but these are 3 and 2 of planted l"
        )


def test_the_weights_decide_where_they_are_known():
    mine, other = "a" * 64, "b" * 64
    factors = replace(planted()[0], config={"weights_sha256": mine})
    check_factors("a", replace(EDIT, weights=mine, generator="by another name"), factors)
    with pytest.raises(PandaError) as said:
        check_factors("a", replace(EDIT, weights=other), factors)
    assert str(said.value) == (
        f"edit 'a' is for planted with weights of sha256 {'b' * 16}..., but these are factors of"
        f" planted with {'a' * 16}..."
    )
    check_factors("a", replace(EDIT, weights=other), planted()[0])


def test_factors_of_a_file_may_be_of_any_generator(tmp_path):
    (tmp_path / "net.pkl").touch()
    own = replace(planted()[0], generator=str(tmp_path / "net.pkl"))
    check_factors("a", EDIT, own)
    with pytest.raises(PandaError, match="edit 'a' is for 3 appearances and 2 parts of planted m"):
        check_factors("a", replace(EDIT, layer="m"), own)


def test_factors_are_made_as_the_edit_says(monkeypatch):
    asked = []

    def fit_cached(generator, layer, **settings):
        asked.append((generator, layer, settings))
        return "factors"

    def create_generator(name, **settings):
        return SimpleNamespace(name=name, **settings)

    monkeypatch.setattr(named, "fit_cached", fit_cached)
    monkeypatch.setattr(named, "create_generator", create_generator)
    seeded = replace(EDIT, seeds="0-9")
    assert factors_of("a", seeded) == factors_of("a", seeded, device="cuda") == "factors"
    settings = {"parts": 2, "appearances": 3, "seeds": "0-9"}
    for call, device in zip(asked, ("cpu", "cuda"), strict=True):
        assert call == (create_generator("planted", device=device), "l", settings)
    with pytest.raises(PandaError) as said:
        factors_of("a", EDIT)
    assert str(said.value) == (
        "edit 'a' does not tell how its factors were made; give the folder of factors of planted l"
        " that it is for"
    )


def test_other_options_of_the_same_weights_are_another_generator():
    factors = replace(planted()[0], config={"weights_sha256": "a" * 64})
    with pytest.raises(PandaError, match=r"parts of planted.steps=8 l, but these are 3 and 2 of"):
        check_factors("a", replace(EDIT, weights="a" * 64, generator="planted?steps=8"), factors)


def test_factors_of_an_edit_are_those_of_all_classes(monkeypatch):
    generator = NamedClasses()
    fitted = []
    monkeypatch.setattr(named, "fit_cached", lambda whole, *_, **__: fitted.append(whole))
    edit = replace(EDIT, generator="tiny", seeds="0-9")
    for held in (OneClass(generator, "red"), share(OneClass(generator, 1)), generator):
        factors_of("a", edit, held)
    assert fitted == [generator] * 3


def test_another_generator_is_refused_before_factors_are_fitted(monkeypatch, tmp_path):
    file = tmp_path / "my.pkl"
    file.touch()
    monkeypatch.setattr(named, "fit_cached", lambda *_, **__: "factors")
    seeded = replace(EDIT, seeds="0-9")

    def generator(name, digest=""):
        return SimpleNamespace(name=name, digest=digest)

    assert factors_of("a", seeded, generator("planted")) == "factors"
    assert factors_of("a", seeded, generator(str(file), "c" * 64)) == "factors"
    by_weights = replace(seeded, weights="a" * 64)
    assert factors_of("a", by_weights, generator(str(file), "a" * 64)) == "factors"
    other, trained = generator("other"), generator("planted", "b" * 64)
    for edit, given in ((seeded, other), (EDIT, other), (by_weights, trained)):
        with pytest.raises(PandaError, match=r"edits \('a'\) of planted"):
            factors_of("a", edit, given)


def test_a_zoo_is_written_in_few_columns_and_without_what_is_not_known(tmp_path):
    zoo = {"a": EDIT, "b": replace(EDIT, seeds="0-9", edits=("0:1:2",))}
    text = edits_text(zoo)
    assert text.startswith('{\n "format": 1,\n "edits": {\n  "a": {\n   "generator": "planted",')
    assert text.endswith('"seeds": "0-9"\n  }\n }\n}\n') and text.count("seeds") == 1
    (tmp_path / "zoo.json").write_text(text)
    assert read_edits(tmp_path / "zoo.json") == zoo
    with pytest.raises(PandaError, match="^zoo: 'parts' of edit 'a' is 0, expected a whole number"):
        edits_text({"a": replace(EDIT, parts=0)})
