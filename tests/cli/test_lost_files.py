"""No verb takes away a file that it did not write, and none that is refused leaves one."""

from dataclasses import replace
from pathlib import Path

import pytest

from panda.cli import fit, main, rendering
from panda.cli.benchmark import ablations
from panda.demo import run as demo
from panda.factorization.fit import fit as fit_factors

OTHERS = "holds what PandA did not write, or what has changed since"
VERBS = {
    "fit": ["fit", "tiny", "b", "--parts", "2", "--seeds", "0-7"],
    "edit": ["edit", "factors", "--edit", "0:p0:1", "--seeds", "1"],
    "refine": ["refine", "factors", "--seeds", "1"],
    "demo": ["demo", "--quick", "--generator", "tiny"],
    "ablations": [
        *("benchmark", "ablations", "tiny", "b", "--parts", "2", "--samples", "3"),
        *("--appearances", "3", "--held-out", "1", "--steps", "1"),
    ],
}


@pytest.fixture
def place(tiny, tmp_path, monkeypatch):
    """A current directory with factors, where every generator is the tiny one."""
    for module in (rendering, fit, ablations, demo):
        monkeypatch.setattr(module, "create_generator", lambda *_, **__: tiny)
    monkeypatch.setattr(demo, "QUICK", replace(demo.QUICK, fit_samples=8))
    monkeypatch.setattr(demo, "_layers", lambda generator: [(generator.layers["b"], 2)])
    monkeypatch.chdir(tmp_path)
    fit_factors(tiny, "b", parts=2, seeds=range(8)).save("factors")
    return tmp_path


def run(verb, out="out"):
    return main([*VERBS[verb], "--out", str(out)])


def everything(folder):
    """Every file, link and folder, with its content; without what one refused run may change."""
    return {
        str(path.relative_to(folder)): (path.is_symlink(), path.is_file() and path.read_bytes())
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("verb", VERBS)
def test_a_second_run_leaves_what_the_user_put_into_the_folder(place, verb, capsys):
    assert run(verb) == 0
    assert run(verb) == 0
    for path in list(Path("out").rglob("*")):
        if path.is_dir():
            (path / "mine.txt").write_text("mine")
    Path("out/mine.txt").write_text("mine", encoding="utf-8")
    before = everything(place)
    code = run(verb)
    if verb == "ablations":  # two files among others, which stay
        assert code == 0
        assert Path("out/mine.txt").read_text(encoding="utf-8") == "mine"
    else:
        assert code == 2
        assert OTHERS in capsys.readouterr().err
        assert everything(place) == before


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("fit", "config.json"),
        ("edit", "0001.png"),
        ("refine", "sheet.png"),
        ("demo", "report.html"),
        ("demo", "b/config.json"),
        ("ablations", "ablations.json"),
    ],
)
def test_what_the_user_has_changed_or_put_in_its_place_stays(place, verb, name, capsys):
    assert run(verb) == 0
    Path("out", name).write_text("mine", encoding="utf-8")
    before = everything(place)
    assert run(verb) == 2
    assert OTHERS in capsys.readouterr().err
    assert everything(place) == before


@pytest.mark.parametrize("name", ["report.html", "overview.png", "b"])
def test_a_demo_writes_over_nothing_in_a_folder_of_other_things(place, name, capsys):
    Path("out").mkdir()
    Path("out/other.txt").write_text("mine", encoding="utf-8")
    assert run("demo") == 0  # beside it
    assert Path("out/other.txt").read_text(encoding="utf-8") == "mine"
    Path("new").mkdir()
    Path("new", name).write_text("mine", encoding="utf-8")
    before = everything(place)
    assert run("demo", "new") == 2
    assert everything(place) == before


@pytest.mark.parametrize("verb", VERBS)
def test_no_neighbor_of_the_folder_is_touched(place, verb):
    Path("mine").write_text("mine", encoding="utf-8")
    Path("out.probe").symlink_to("mine")
    before = everything(place)
    assert run(verb) == 0
    after = everything(place)
    assert {name: after[name] for name in before} == before
    assert all(Path(name).parts[0] == "out" for name in after.keys() - before.keys())


def test_results_do_not_replace_factors_nor_factors_results(place, capsys):
    assert run("edit", "factors") == 2
    assert "factors exists and holds no results of panda" in capsys.readouterr().err
    assert run("demo", "factors") == 2
    assert "factors holds other results than a demo" in capsys.readouterr().err
    assert run("edit") == 0
    assert run("fit") == 2
    assert "out exists and holds no factors" in capsys.readouterr().err


REFUSED = [
    ["fit", "tiny", "b", "--label", "3", "--parts", "2", "--seeds", "0-7"],
    ["fit", "tiny", "b", "--parts", "99999", "--seeds", "0-7"],
    [*VERBS["fit"], "--solver", "paper", "--learning-rate", "1e8", "--steps", "9"],
    ["edit", "factors", "--edit", "0:p0:1", "--label", "3"],
    ["edit", "factors", "--edit", "0:p0:1e300"],
    ["edit", "factors", "--edit", "9:p0:1"],
    ["benchmark", "ablations", "tiny", "nothing"],
    ["compare", "nothing"],
]


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_what_is_refused_leaves_nothing(place, command):
    before = everything(place)
    assert main([*command, "--out", "new/out"]) == 2
    assert everything(place) == before


@pytest.mark.parametrize("of", ["folder", "0-of-1.samples", "0-of-1.sums", ".0.lock"])
def test_a_fit_in_the_folder_of_a_stranger_follows_no_link(place, of, capsys, tmp_path_factory):
    """The stranger has laid a journal beside where the factors are to go."""
    mine = tmp_path_factory.mktemp("mine")
    (mine / "file").write_text("mine")
    journal = Path(".out.fit")
    if of == "folder":
        journal.symlink_to(mine)
    else:
        journal.mkdir()
        (journal / of).symlink_to(mine / "file")
    assert run("fit") == 2
    assert "is a link, and results are never written to what lies elsewhere" in (
        capsys.readouterr().err
    )
    assert everything(mine) == {"file": (False, b"mine")}


def test_a_fit_goes_on_in_the_same_process_after_an_interruption(place, tiny, monkeypatch):
    monkeypatch.setattr("panda.factorization.journal.SECONDS", -1.0)
    head = type(tiny).head

    def interrupted(self, latents, layer):
        if Path(".out.fit/0-of-1.sums").exists():
            raise KeyboardInterrupt
        return head(self, latents, layer)

    monkeypatch.setattr(type(tiny), "head", interrupted)
    command = ["fit", "tiny", "b", "--parts", "2", "--seeds", "0-199", "--out", "out"]
    assert main(command) == 130
    assert Path(".out.fit").is_dir()
    monkeypatch.setattr(type(tiny), "head", head)
    assert main(command) == 0
    assert not Path(".out.fit").exists()


def test_a_fit_removes_of_a_folder_that_was_named_as_its_journal_its_own_files_alone(place, tiny):
    from panda.factorization.journal import forget

    Path("mine").mkdir()
    for name in ("thesis.tex", "1-of-2.txt", "part-of-it"):
        Path("mine", name).write_text("mine", encoding="utf-8")
    before = everything(Path("mine"))
    fit_factors(tiny, "b", parts=2, seeds=range(8), resume="mine")
    forget(Path("mine"))
    assert everything(Path("mine")) == before
