"""Edit zoos: files of named edits, found by name or file, and only used on their own factors."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from golden_files import FOLDER, io, near

from panda import PandaError, create_generator
from panda.cli import main
from panda.editing.apply import direction
from panda.editing.edit_files import NamedEdit, named_edits, read_edits, write_edits, zoos
from panda.editing.edits import Edit, find_edits
from panda.evaluation.edits import EDITS
from panda.evaluation.presets import LEAST
from panda.factorization.fit import import_released
from panda.files.npy import read_npy
from panda.generators.contract import State
from panda.generators.registry import cards

GENERATOR = FOLDER / "proggan-genforce"
PRESETS = [
    (name, edit)
    for zoo in zoos()
    for name, edit in zoo.items()
    if edit.generator != "stylegan2-ffhq-1024"  # those of PandA's authors
]
IDS = [f"{edit.generator}-{name}" for name, edit in PRESETS]
RELEASED = NamedEdit("released", "8.conv2", 16, 4, ("0+2:1:5",))
"""The edit of the golden: the released code's parts [[0, 2]], appearance 1, strength 5."""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Factor files as the released code writes them, and the checkpoint that they are for."""
    folder = tmp_path_factory.mktemp("released")
    golden = io("panda-decompose")
    np.save(folder / "Us-name_tiny-layer_4-rank_4.npy", golden["Us_100"].numpy())
    np.save(folder / "Uc-name_tiny-layer_4-rank_16.npy", golden["Uc_100"].numpy())
    return folder, str(next(GENERATOR.glob("checkpoint.pth")))


@pytest.fixture(scope="module")
def factors(released):
    folder, checkpoint = released
    appearances, parts = sorted(folder.glob("*.npy"))
    return import_released(
        create_generator(checkpoint), "8.conv2", appearances, parts, seeds=range(12)
    )


@pytest.fixture
def zoo(tmp_path):
    write_edits(tmp_path / "zoo.json", {"released": RELEASED})
    return tmp_path / "zoo.json"


def test_a_named_edit_of_released_factors_is_that_of_the_released_code(released, factors, zoo):
    golden = io("panda-decompose")
    change = direction(factors, find_edits(f"{zoo}:released", factors))
    near(change, golden["edit_direc"], 1e-5)
    edited = State(golden["edit_Z"] + change)
    image = create_generator(released[1]).tail(edited, "8.conv2")
    near(image, golden["edit_xprime_image"], 1e-4)


def test_the_command_line_imports_factors_and_uses_a_zoo(released, zoo, tmp_path, capsys):
    folder, checkpoint = released
    appearances, parts = map(str, sorted(folder.glob("*.npy")))
    out = str(tmp_path / "factors")
    files = ["--appearances", appearances, "--parts", parts]
    assert main(["import", checkpoint, "8.conv2", *files, "--out", out]) == 0
    pictures = tmp_path / "pictures"
    command = ["edit", out, "--edit", str(zoo), "--seeds", "0", "--out", str(pictures)]
    assert main(command) == 0
    assert (pictures / "0000.png").is_file()
    assert main(["edits", str(zoo)]) == 0
    assert capsys.readouterr().out == "released  released 8.conv2  0+2:1:5\n"
    command[3] = "big_eyes"
    assert main(command) == 2
    assert "'big_eyes' is for 512 appearances and 8 parts of" in capsys.readouterr().err


def test_a_zoo_of_one_needs_no_name_and_a_larger_one_does(factors, zoo):
    alone = find_edits(str(zoo), factors)
    assert alone == [Edit((0, 2), 1, 5.0)]
    write_edits(zoo, {"released": RELEASED, "other": RELEASED})
    assert find_edits(f"{zoo}:other", factors) == alone
    with pytest.raises(PandaError, match="is no edit; valid: released, other; expected PARTS"):
        find_edits(str(zoo), factors)
    with pytest.raises(PandaError, match="did you mean 'released'"):
        find_edits(f"{zoo}:release", factors)


@pytest.mark.parametrize(
    "other",
    [
        NamedEdit("released", "8.conv1", 16, 4, ("0:1:5",)),
        NamedEdit("released", "8.conv2", 15, 4, ("0:1:5",)),
        NamedEdit("released", "8.conv2", 16, 8, ("0:1:5",)),
    ],
)
def test_an_edit_for_other_factors_is_refused(factors, zoo, other):
    write_edits(zoo, {"edit": other})
    with pytest.raises(PandaError, match=r"edit 'edit' is for .* but these are 16 and 4 of"):
        find_edits(str(zoo), factors)


def test_an_edit_that_tells_its_seeds_is_for_factors_of_a_plain_fit_on_them(factors, zoo):
    edit = NamedEdit("released", "8.conv2", 16, 4, ("0:remove",), seeds="0-9")
    write_edits(zoo, {"edit": edit})
    assert read_edits(zoo) == {"edit": edit}
    with pytest.raises(PandaError, match="fitted on seeds 0-9, but these are others"):
        find_edits(str(zoo), factors)
    plain = {"truncation": 1.0, "label": None, "solver": {"name": "joint"}, "seeds": "0-9"}
    assert find_edits(str(zoo), replace(factors, config=plain)) == [Edit((0,), "remove", 1.0)]
    with pytest.raises(PandaError, match="these are of seeds 1,5"):
        find_edits(str(zoo), replace(factors, config=plain | {"seeds": [1, 5]}))


@pytest.mark.parametrize("name", [name for name, card in cards().items() if card.edits])
def test_edits_that_come_with_a_generator_are_of_it_and_their_files_are_there(name):
    card = cards()[name]
    zoo = read_edits(card.edits)
    layers = {layer.name: layer for layer in card.layers}
    for edit in zoo.values():
        assert edit.generator == name and edit.appearances == layers[edit.layer].channels
        for each in map(Edit.parse, edit.edits):
            what = str(each.appearance)
            assert each.layer in ("", *layers)
            if ".npy" in what:
                assert read_npy(card.edits.with_name(what.partition("#")[0])).shape[0] == 1


@pytest.mark.parametrize(("name", "edit"), PRESETS, ids=IDS)
def test_presets_that_come_with_a_generator_were_tried_and_most_faces_reach_them(name, edit):
    assert edit.seeds and edit.weights, f"whoever asks for {name} has no factors"
    words = EDITS[name].words
    tried = re.fullmatch(rf"{re.escape(words)} \(.+\): on (\d+) % of (\d+) faces, .+", edit.effect)
    assert tried, f"{edit.effect!r} does not say what its trial gave"
    assert int(tried[1]) >= 100 * LEAST and int(tried[2]) >= 40


def test_the_eighteen_released_edits_come_with_their_generator():
    card = cards()["stylegan2-ffhq-1024"]
    zoo = read_edits(card.edits)
    assert len(zoo) == 18
    found = named_edits("stylegan2-ffhq-1024")
    assert all(found[name] == edit for name, edit in zoo.items())
    layers = {layer.name: layer for layer in card.layers}
    for edit in zoo.values():
        assert edit.generator == "stylegan2-ffhq-1024"
        assert edit.appearances == layers[edit.layer].channels
        (one,) = map(Edit.parse, edit.edits)
        assert max(one.parts) < edit.parts
        assert one.appearance < edit.appearances
    assert zoo["big_eyes"].edits == ("7:6:30",)
    assert zoo["smile"].edits == ("4:46:-30",)
    counts = [sum(edit.layer == name for edit in zoo.values()) for name in layers]
    assert [count for count in counts if count] == [4, 5, 9]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", r"no JSON in UTF-8 \(Expecting property name"),
        ("[]", "expected a JSON object with format 1"),
        ('{"format": 2, "edits": {}}', "expected a JSON object with format 1"),
        ('{"format": true, "edits": {}}', "expected a JSON object with format 1"),
        ('{"format": 1}', "format 1 and edits by name"),
        ('{"format": 1, "edits": {"a": {"edits": []}}}', "'generator' of edit 'a' is missing"),
        ('{"format": 1, "edits": {"a": 3}}', "'a' is no short name of an edit with its fields"),
        ('{"format": 1, "edits": {"\\u001b": {}}}', r"'\\x1b' is no short name"),
        ('{"format": 1, "edits": {"": {}}}', "'' is no short name"),
        ('{"format": 1, "edits": 3}', "format 1 and edits by name"),
        ("[" * 100_000, "is no edit zoo"),
    ],
)
def test_a_damaged_zoo_is_one_sentence(tmp_path, content, said):
    (tmp_path / "zoo.json").write_text(content)
    with pytest.raises(PandaError, match=said) as error:
        read_edits(tmp_path / "zoo.json")
    assert "zoo.json" in str(error.value)
    assert not re.search("object has no|__init__|NoneType", str(error.value))


@pytest.mark.parametrize(
    "fact",
    [
        {"layer": 3},
        {"generator": "g\x1b"},
        {"parts": "8"},
        {"parts": True},
        {"edits": []},
        {"edits": "7:6:30"},
        {"edits": [7]},
        {"edits": {"0:0:1": 5}},
        {"edits": ["zzz"]},
        {"layer": "l" * 100_000},
        {"layer": "l" * 201},
        {"layer": ""},
        {"generator": ""},
        {"generator": "g" * 4097},
        {"appearances": 0},
        {"parts": 1_000_000},
        {"weights": "a" * 63},
        {"seeds": 3},
        {"seeds": "3-1"},
    ],
)
def test_facts_of_the_wrong_kind_are_one_sentence_to_readers_and_writers(tmp_path, fact):
    facts = {"generator": "g", "layer": "l", "appearances": 1, "parts": 8, "edits": ["0:0:1"]}
    path = tmp_path / "zoo.json"
    path.write_text(json.dumps({"format": 1, "edits": {"a": facts | fact}}))
    (field,) = fact
    with pytest.raises(
        PandaError, match=f"zoo.json: '{field}' of edit 'a' is .* expected"
    ) as error:
        read_edits(path)
    assert len(str(error.value)) < 1000
    with pytest.raises(PandaError, match=f"new.json: '{field}' of edit 'a' is .* expected"):
        write_edits(tmp_path / "new.json", {"a": NamedEdit(**(facts | fact))})
    assert not (tmp_path / "new.json").exists()


def test_facts_may_be_as_short_and_as_long_as_any(zoo):
    edits = {
        "e": NamedEdit("g", "l", 1, 1, ("0:0:1",)),
        "e" * 200: NamedEdit("g" * 4096, "l" * 200, 999_999, 999_999, ("0:0:1",), "0-9", "a" * 64),
    }
    write_edits(zoo, edits)
    assert read_edits(zoo) == edits


def test_words_for_people_are_left_alone(zoo):
    content = json.loads(zoo.read_text()) | {"about": "by me"}
    content["edits"]["released"]["about"] = {"author": "me"}
    zoo.write_text(json.dumps(content))
    assert read_edits(zoo) == {"released": RELEASED}


def test_a_zoo_is_utf_8_in_any_locale_and_may_have_a_mark(zoo):
    text = zoo.read_text().replace("released", "lächeln")
    zoo.write_bytes(b"\xef\xbb\xbf" + text.encode())
    code = (
        "import sys; from panda.editing.edit_files import read_edits;"
        "print(ascii(list(read_edits(sys.argv[1]))))"
    )
    command = [sys.executable, "-X", "utf8=0", "-c", code, str(zoo)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "['l\\xe4cheln']\n"


def test_a_name_follows_a_colon(factors, zoo):
    with pytest.raises(PandaError, match="zoo.jsonreleased' is no edit"):
        find_edits(f"{zoo}released", factors)
    with pytest.raises(PandaError, match="is no edit") as error:
        find_edits("x" * 100_000, factors)
    assert len(str(error.value)) < 1000


def test_a_missing_zoo_is_one_sentence(tmp_path):
    with pytest.raises(PandaError, match="cannot be read: No such file"):
        read_edits(tmp_path / "gone.json")
