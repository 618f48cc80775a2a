"""``--json``: one object on stdout, nothing else; paths lead to files."""

import json
from pathlib import Path

import pytest

from panda.cli import main
from panda.cli.output import print_json
from panda.factorization.fit import fit
from panda.naming.names import name_factors


@pytest.fixture
def factors(tiny, tmp_path, monkeypatch):
    for module in ("rendering", "fit"):
        monkeypatch.setattr(f"panda.cli.{module}.create_generator", lambda name, device: tiny)
    monkeypatch.setattr("panda.demo.run.create_generator", lambda name, device: tiny)
    fit(tiny, "b", parts=4, seeds=range(60)).save(tmp_path / "factors")
    return tmp_path / "factors"


def read(capsys):
    """The object that a command printed."""
    facts = json.loads(capsys.readouterr().out)
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize(
    ("verb", "columns", "figures"),
    [
        (["parts"], ["sample", "part 0", "part 1", "part 2", "part 3"], {"seed", "areas"}),
        (["edit", "--edit", "0:p0:5sd"], ["before", "after", "difference"], {"change"}),
        (["remove", "--parts", "0+2"], ["before", "after", "difference"], {"change"}),
        (["remove", "--parts", "0,2"], ["before", "after", "difference"], {"change"}),
        (["localize", "--appearance", "bg"], ["sample", "concept map", "mask"], {"area"}),
        (["refine"], None, {"areas"}),
    ],
)
def test_verbs_that_draw_give_paths_and_figures(factors, tmp_path, capsys, verb, columns, figures):
    out = tmp_path / "out"
    words = [verb[0], str(factors), *verb[1:], "--seeds", "2,5", "--psi", "0.5"]
    assert main([*words, "--out", str(out), "--json"]) == 0
    facts = read(capsys)
    assert facts["out"] == str(out) and Path(facts["sheet"]).is_file()
    assert columns is None or facts["columns"] == columns
    assert (facts["generator"], facts["layer"], facts["truncation"]) == ("tiny", "b", 0.5)
    assert [sample["seed"] for sample in facts["samples"]] == [2, 5]
    for sample in facts["samples"]:
        assert figures <= sample.keys()
        assert "picture" not in sample or Path(sample["picture"]).is_file()
    if "change" in figures:
        assert all(0 < sample["change"] < 1 for sample in facts["samples"])


def test_a_refinement_names_its_rows_beside_its_columns(factors, tmp_path, capsys):
    words = ["refine", str(factors), "--seeds", "2", "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["columns"] == ["sample", "part 0", "part 1", "part 2", "part 3"]
    assert facts["rows"] == ["shared", "refined"]
    assert "part 3; rows of a sample: shared, refined)" in said.err


def test_an_edit_says_which_edits_were_applied(factors, tmp_path, capsys):
    words = ["edit", str(factors), "--edit", "0:p0:5sd", "--edit", "1:remove:1", "--json"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert read(capsys)["edits"] == ["0:p0:5sd", "1:remove:1"]


def test_what_is_removed_is_the_same_by_either_separator(factors, tmp_path):
    for name, parts in (("a", "0+2"), ("b", "0,2")):
        out = str(tmp_path / name)
        assert main(["remove", str(factors), "--parts", parts, "--seeds", "1", "--out", out]) == 0
    pictures = [(tmp_path / name / "0001.png").read_bytes() for name in "ab"]
    assert pictures[0] == pictures[1]


def test_parts_have_names_once_they_were_named(factors, tiny, tmp_path, capsys):
    words = ["name", str(factors), "--no-faces", "--seeds", "0-3", "--appearances", "1"]
    assert main([*words, "--json"]) == 0
    names = [part["name"] for part in read(capsys)["parts"]]
    assert main(["parts", str(factors), "--seeds", "1", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"part {part} {name}" for part, name in enumerate(names)]
    assert f"part 0 {names[0]}" in said.err
    named = ["remove", str(factors), "--parts", names[0], "--seeds", "1", "--json"]
    assert main([*named, "--out", str(tmp_path / "removed")]) == 0
    assert 0 in read(capsys)["parts"]
    assert main(["discover", "brighter", str(factors), "--json"]) == 0
    assert read(capsys)["wanted"] == "brighter"


def test_a_fit_gives_its_folder_loss_and_settings(factors, tmp_path, capsys):
    out = tmp_path / "new"
    assert main(["fit", "tiny", "b", "--seeds", "0-19", "--out", str(out), "--json"]) == 0
    facts = read(capsys)
    assert facts["out"] == str(out) and facts["seeds"] == "0-19" and 0 < facts["loss"] < 1


def test_the_demo_gives_its_report(factors, tmp_path, capsys):
    words = ["demo", "--quick", "--generator", "tiny", "--out", str(tmp_path / "demo")]
    assert main([*words, "--json"]) == 0
    facts = read(capsys)
    assert Path(facts["report"]).is_file() and Path(facts["overview"]).is_file()
    assert [Path(factors["folder"]).is_dir() for factors in facts["factors"]] == [True]


@pytest.mark.parametrize("verb", ["list", "plugins", "edits", "doctor"])
def test_listings_are_objects_too(verb, capsys, cache):
    assert main([verb, "--json"]) == 0
    assert read(capsys)


def test_a_figure_that_is_not_finite_is_null(capsys):
    print_json({"a": float("nan"), "b": (1, Path("x")), "c": {"d": float("inf")}})
    assert read(capsys) == {"a": None, "b": [1, "x"], "c": {"d": None}}


def test_names_of_parts_work_wherever_parts_are_given(factors, tiny, tmp_path):
    from panda.factorization.factors import Factors

    named = name_factors(tiny, Factors.load(factors), None, seeds=range(4))
    named.save(factors)
    name = named.part_names[0]
    out = str(tmp_path / "out")
    words = ["localize", str(factors), "--appearance", "bg", "--seeds", "1", "--part", "0"]
    assert main([*words, "--out", out]) == 0
    assert main(["edit", str(factors), "--edit", f"{name}:bg:1", "--seeds", "1", "--out", out]) == 0
