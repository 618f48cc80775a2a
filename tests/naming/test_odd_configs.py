"""Factors whose config.json has values of the wrong types: a sentence, or nothing at all."""

import json

import pytest
from conftest import TinyGenerator
from damage import odd_values

from panda import PandaError
from panda.editing.edit_files import NamedEdit
from panda.editing.named import check_factors
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.naming.discover import discover
from panda.naming.names import name_factors
from panda.naming.saved import names_of
from panda.studio.thumbnails import place_names

ZOO = NamedEdit("tiny", "b", 12, 2, ("0:p0:1",), "0-7")

USES = [
    lambda factors, folder: factors._repr_html_(),
    lambda factors, folder: factors.find_parts("center"),
    lambda factors, folder: factors.check(TinyGenerator()),
    lambda factors, folder: check_factors("smile", ZOO, factors),
    lambda factors, folder: names_of(factors),
    lambda factors, folder: discover("brighter", factors),
    lambda factors, folder: place_names(factors),
    lambda factors, folder: factors.save(folder / "again"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    tiny = TinyGenerator()
    factors = fit(tiny, "b", parts=2, seeds=range(8))
    name_factors(tiny, factors, None, seeds=range(4), appearances=2).save(folder / "factors")
    return folder


def test_no_value_of_a_config_ends_in_a_traceback(folder):
    file = folder / "factors" / "config.json"
    whole = json.loads(file.read_text())
    loaded = refused = 0
    for odd in odd_values(whole):
        file.write_text(json.dumps(odd))
        try:
            factors = Factors.load(folder / "factors")
        except PandaError as error:
            assert str(folder) in str(error)
            refused += 1
            continue
        loaded += 1
        for use in USES:
            try:
                use(factors, folder)
            except PandaError as error:
                assert len(str(error)) < 600
    file.write_text(json.dumps(whole))
    assert loaded > 300 and refused > 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda names: names.update(parts=3), "3 is no list"),
        (lambda names: names["parts"].pop(), "names of 1 parts, expected 2"),
        (lambda names: names["parts"][0].pop("edits"), "KeyError('edits')"),
        (lambda names: names["parts"][0]["edits"][0].update(edit="x"), "'x' is no edit"),
        (
            lambda names: names["parts"][0]["edits"][0].update(effects={"brightness": "much"}),
            "the effect on 'brightness' is 'much'",
        ),
    ],
)
def test_names_that_are_damaged_say_what_is_wrong_and_how_to_mend_it(folder, change, said):
    factors = Factors.load(folder / "factors")
    change(factors.config["names"])
    with pytest.raises(PandaError, match="run 'panda name FACTORS' to have them made") as caught:
        discover("brighter", factors)
    assert said in str(caught.value)
