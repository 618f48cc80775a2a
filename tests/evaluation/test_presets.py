"""`panda presets`: named edits that were chosen, tried and written, and that work by their name."""

import json
from dataclasses import replace

import pytest
import torch
from bright_eyes import BrightParser, look_at_bright_eyes
from conftest import MINI
from golden_files import FOLDER

from panda import PandaError, create_generator, edit_images
from panda.cli import main
from panda.directions.changes import StyleChange, WChange, ZChange
from panda.directions.stylespace import style_deviations
from panda.editing import apply
from panda.editing.detectors import Detector
from panda.editing.edit_files import NamedEdit, read_edits, write_edits
from panda.editing.edits import Edit, find_edits
from panda.editing.local import DetectedChange, LocalChange
from panda.editing.named import find_named
from panda.evaluation import best, presets
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.choose_effects import pick
from panda.evaluation.edits import EDITS
from panda.evaluation.faces import FaceSampler
from panda.evaluation.settings import LocalityBenchmark, LocalitySettings
from panda.evaluation.store import BenchmarkFolder
from panda.factorization.cached import fit_cached
from panda.factorization.fit import fit
from panda.generators.registry import cards
from panda.images import read_picture
from panda.metrics.parsing import FaceParser
from panda.metrics.regions import Boxes
from panda.metrics.roir import SIZE, small

FILE = str(FOLDER / "stylegan2-genforce/checkpoint.pth")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Presets of the network: their folder, and the words that made them."""
    out = tmp_path_factory.mktemp("presets") / "run"
    words = ["presets", FILE, "--edits", "eyes,bald", "--n", "4", "--select", "2"]
    words += ["--shortlist", "2", "--parse-size", "64", "--out", str(out), "--method"]
    words += ["panda:layers=16.conv1@6:samples=20:appearances=3"]
    with pytest.MonkeyPatch.context() as patch:
        look_at_bright_eyes(patch)
        patch.setattr(presets, "LEAST", 0.5)  # these faces are hardly any
        assert main(words) == 0
        yield out, words


def test_presets_have_the_strength_and_the_figures_of_their_trial(made):
    out, _ = made
    zoo = read_edits(out / "presets/edits.json")
    assert list(zoo) == ["eyes"]  # nothing changes the hair
    assert zoo["eyes"].effect.startswith("eye area +10 % (panda, ")
    folder = BenchmarkFolder(out, json.loads((out / "plan.json").read_text()))
    rows = folder.rows("panda", "eyes").values()
    reached = [row["amount"] for row in rows if row["reached"]]
    assert f"on {100 * len(reached) / 4:.0f} % of 4 faces" in zoo["eyes"].effect
    edit = Edit.parse(zoo["eyes"].edits[0])
    assert edit.strength == pytest.approx(float(torch.tensor(reached).median()), rel=1e-3)


def test_what_few_faces_reach_is_no_preset(made, tmp_path, capsys, monkeypatch):
    _, words = made
    monkeypatch.setattr(presets, "LEAST", 0.8)
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "eyes: 2 of 4 faces reach it, so it is no preset" in said
    monkeypatch.setattr(presets, "LEAST", 0.5)
    assert main(words) == 0
    monkeypatch.setattr(presets, "HOPELESS", 0.6)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "eyes: 50% of the faces of the choice reach it, so it is not tried" in said
    assert "reaches its effect on 60% of the faces on which edits are chosen" in said


def test_what_surely_is_no_preset_is_given_up_on_the_way(tmp_path, monkeypatch):
    reaching = {"eyes": 10, "smile": 2, "bald": 3}  # one of so many faces
    folder = BenchmarkFolder(tmp_path / "run", {})
    folder.begin()
    settings = LocalitySettings(FILE, "eyes,smile,bald", n=200, methods=("a", "b"))
    benchmark = LocalityBenchmark(settings, None, folder, None, None, None, 0, {})

    def measure(benchmark, chosen, part):
        for label, choices in chosen.items():
            for edit in choices:
                first = len(benchmark.folder.rows(label, edit))
                rows = [
                    {"seed": seed, "reached": float(seed % reaching[edit] > 0)}
                    for seed in range(first, benchmark.settings.n)
                ]
                benchmark.folder.add_rows(label, edit, "1-of-1", rows)

    monkeypatch.setattr(presets, "LEAST", 0.8)
    monkeypatch.setattr(presets, "measure_all", measure)
    best = {"eyes": ("a", None), "smile": ("a", None), "bald": ("b", None)}
    presets._try(benchmark, best)
    tried = {edit: len(folder.rows(label, edit)) for edit, (label, _) in best.items()}
    assert tried == {"eyes": 200, "smile": 20, "bald": 60}
    assert [presets._works(benchmark, edit, best[edit][0]) for edit in best] == [True, False, False]


def test_the_command_edits_by_name_and_says_what_it_did(made, tmp_path, capsys, monkeypatch):
    out, _ = made
    monkeypatch.setattr("panda.evaluation.told.FaceParser", BrightParser)
    edit = f"{out}/presets/edits.json:eyes"
    words = ["edit", FILE, "--edit", edit, "--seeds", "0-1", "--json"]
    changes = []
    for strength in ("1", "2"):
        folder = tmp_path / strength
        assert main([*words, "--strength", strength, "--out", str(folder)]) == 0
        printed = capsys.readouterr()
        found = json.loads(printed.out)
        changes.append(found["samples"][0]["change"])
        (effects,) = found["effects"].values()
        assert len(effects) == 2 and f"mean effect {sum(effects) / 2:.2f}" in printed.err
        asked = "" if strength == "1" else "; 2 was asked for"
        assert f"(1 is eye area +10 %{asked})" in printed.err
        assert read_picture(folder / "0000.png").size == (32, 32)
    assert 0 < changes[0] < changes[1]


@pytest.mark.parametrize(
    ("strength", "said"),
    [("-1", "; -1 was asked for), 2 of 2 faces have it\n"), ("0", "; 0 was asked for)\n")],
)
def test_what_was_asked_for_counts(made, tmp_path, capsys, monkeypatch, strength, said):
    monkeypatch.setattr("panda.evaluation.told.FaceParser", BrightParser)
    monkeypatch.setattr("panda.evaluation.told.TOLERANCE", 1.0)  # what has the sign is enough
    edit = f"{made[0]}/presets/edits.json:eyes:{strength}"
    words = ["edit", FILE, "--edit", edit, "--seeds", "0-1", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert said in capsys.readouterr().err


def test_a_strength_that_would_have_no_effect_is_refused(made, tmp_path, capsys):
    named = read_edits(made[0] / "presets/edits.json")["eyes"]
    fit_cached(create_generator(FILE), named.layer, parts=6, seeds="0-19").save(tmp_path / "f")
    words = ["edit", str(tmp_path / "f"), "--edit", "0:p0:1sd", "--strength", "2", "--out", "out"]
    assert main(words) == 2
    assert "--strength 2 is for edits by name; '0:p0:1sd' says its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--method", "sefa"], "sefa changes the whole image, and a preset acts in parts; add"),
        (["--method", "fine=panda:refined=True"], "leave out refined and focus"),
        (["--method", "panda:focus=0.5"], "leave out refined and focus"),
        (["--parse-size", "-4"], "and faces of -4 pixels were given, expected"),
    ],
)
def test_presets_that_cannot_be_made_are_refused_at_once(tmp_path, capsys, monkeypatch, more, said):
    look_at_bright_eyes(monkeypatch)
    words = ["presets", FILE, "--edits", "eyes", "--parse-size", "64", "--out", str(tmp_path / "o")]
    assert main([*words, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_an_edit_whose_effect_cannot_be_measured_is_applied_all_the_same(
    made, tmp_path, capsys, monkeypatch
):
    def none(device):
        raise PandaError("no network")

    monkeypatch.setattr("panda.evaluation.told.FaceParser", none)
    edit = f"{made[0]}/presets/edits.json:eyes"
    words = ["edit", FILE, "--edit", edit, "--seeds", "0", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "what the edits do is not measured: no network" in capsys.readouterr().err
    assert (tmp_path / "out/0000.png").is_file()


def shipped():
    """Generators that come with presets, of those that need no weights to be fetched first."""
    return [name for name, card in cards().items() if card.edits and name.startswith("mini-")]


def test_presets_that_come_with_a_generator_need_nothing_else_and_act_where_they_should():
    generator = create_generator(MINI)
    faces = generator.sample([0, 1], truncation=generator.usual_truncation)
    before = small(generator.forward(faces))
    boxes = Boxes().find(before, SIZE)
    for name in read_edits(cards()[MINI].edits):
        square = (small(edit_images(generator, None, faces, name)) - before).square().mean(1)
        assert bool((square.amax((1, 2)) > 0.001).all()), f"{name} hardly changes anything"
        if (box := boxes.get(EDITS[name].region)) is not None:
            assert square[box].mean() > 5 * square[~box].mean(), name


@pytest.mark.download
@pytest.mark.parametrize("name", [*shipped(), "mobilestylegan-ffhq-1024"])
def test_presets_that_come_with_a_generator_do_what_they_are_called(name):
    sampler = FaceSampler(create_generator(name), FaceParser(), parse_size=384)
    faces = sampler.sample([*range(2000, 2004)])
    for edit in read_edits(cards()[name].edits):
        goal = EDITS[edit]
        images = small(edit_images(sampler.generator, None, faces.latents, edit))
        before = faces.measures[goal.measure]
        effects = goal.effect(before, sampler.measure(goal.measure, images))
        assert float(effects.nanmean()) > 0.3, edit  # NaN: eyes behind glasses are none


def test_the_same_command_resumes(made, capsys):
    out, words = made
    before = (out / "presets/edits.json").read_bytes()
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["edits"][0]["name"] == "eyes"
    assert (out / "presets/edits.json").read_bytes() == before


def test_a_folder_of_the_users_is_not_replaced(made, tmp_path, capsys):
    _, words = made
    out = tmp_path / "run"
    (out / "presets").mkdir(parents=True)
    (out / "presets/notes.txt").write_text("mine")
    words = [str(out) if word == words[words.index("--out") + 1] else word for word in words]
    assert main(words) == 2
    assert "panda: " in capsys.readouterr().err
    assert [path.name for path in (out / "presets").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("kind", ["w", "w of some slots", "style", "z", "seen"])
def test_every_kind_of_direction_is_written_so_that_it_is_the_same_again(
    kind, tmp_path, monkeypatch
):
    file = "proggan-genforce/checkpoint.pth" if kind == "z" else "stylegan2-genforce/checkpoint.pth"
    generator = create_generator(FOLDER / file)
    if kind == "style":
        slot, row = next(iter(style_deviations(generator, 50).items()))
        inner = StyleChange(slot, 1, 2 * float(row[1]))
    elif kind == "z":
        inner = ZChange(torch.randn(generator.z_weight().shape[1]))
    else:
        inner = WChange(torch.randn(len(generator.w_mean)), *((1, 3) if "some" in kind else ()))
    layer = list(generator.layers)[1]
    factors = fit(generator, layer, parts=3, seeds=20)
    change = LocalChange(inner, factors, (0, 2), list(generator.layers)[2])
    if kind == "seen":
        later = generator.layer(list(generator.layers)[2])
        drawn = Detector("hair", later.name, torch.ones(later.channels) / 100, 0.3)
        change = DetectedChange(inner, drawn)
        monkeypatch.setattr(presets, "parts_of", lambda generator: factors)
        monkeypatch.setattr(apply, "find_detector", lambda *given: drawn)
    kept, text = presets._written(generator, change, "eyes", 1.5, tmp_path)
    assert kept is factors
    latents = generator.sample([3, 4])
    expected = change.start(generator, latents)(torch.tensor([1.5, 1.5]))
    named = NamedEdit(generator.name, layer, factors.appearances.shape[1], 3, (text,))
    write_edits(tmp_path / "edits.json", {"eyes": named})
    found = edit_images(generator, factors, latents, f"{tmp_path}/edits.json:eyes")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_the_best_of_all_methods_is_picked():
    def choice(score, reach):
        return ChosenEdit("x", None, 1.0, score, reach)

    chosen = {
        "a": {"eyes": choice(0.1, 0.5), "smile": choice(0.3, 0.4)},
        "b": {"eyes": choice(0.4, 0.9), "smile": choice(0.9, 0.7)},
        "c": {"eyes": choice(0.3, 0.8)},
    }
    best = pick(chosen)
    assert {edit: label for edit, (label, _) in best.items()} == {"eyes": "c", "smile": "b"}


def test_an_edit_by_name_and_strength_waits_for_its_factors(monkeypatch, made):
    out, _ = made
    named = read_edits(out / "presets/edits.json")["eyes"]
    monkeypatch.setattr("panda.editing.named.named_edits", lambda generator: {"eyes": named})
    generator = create_generator(FILE)
    factors = fit_cached(generator, named.layer, parts=named.parts, seeds=named.seeds)
    (edit,) = find_edits("eyes", factors)
    assert find_edits("eyes:2", factors) == [replace(edit, strength=2 * edit.strength)]
    faces = generator.sample([1])
    twice = edit_images(generator, factors, faces, "eyes:2")
    assert torch.equal(edit_images(generator, None, faces, Edit("eyes", 2)), twice)
    once = (name for name in ["eyes:2"])
    assert torch.equal(edit_images(generator, None, faces, once), twice)
    assert str(Edit("eyes", 2)) == "eyes:2"
    with pytest.raises(PandaError, match="does not say of which factors"):
        edit_images(generator, None, faces, "0:p0:1sd")
    assert find_named("eyes")[1] == named


def test_the_table_of_the_best_compares_what_acts_everywhere_with_what_is_local():
    place = fit(create_generator(FILE), "8.conv1", parts=2, seeds=10)
    plain = WChange(torch.ones(4))
    chosen = {
        "a": {"eyes": ChosenEdit("0", plain, 1.0, 0.2, 1.0)},
        "b": {"eyes": ChosenEdit("0", plain, 1.0, 0.1, 1.0)},
        "near": {"eyes": ChosenEdit("0", LocalChange(plain, place, (0,), "8.conv1"), 1, 0.01, 0.9)},
    }
    labels = best.best_by_kind(chosen)
    assert labels == {"eyes": {best.EVERYWHERE: "b", best.LOCAL: "near"}}
    rows = {
        ("b", "eyes"): {1: row(0.3), 2: row(0.1), 3: row(None)},
        ("near", "eyes"): {1: row(0.1), 2: row(None), 3: row(0.7)},
    }
    (line,) = best.table(rows, labels).rows
    assert line[:2] == ["eyes", "eye area +10 %"]
    assert line[2:5] == ["b (67 %, 200.0)", "-", "near (67 %, 400.0)"]
    assert line[5:] == ["3.0"]  # of the one face that both reach, so without an interval
    rows["near", "eyes"][2] = row(0.1)
    assert best.table(rows, labels).rows[0][5] == "2.0 ± 1.0"
    where = Detector("eyes", "8.conv1", torch.ones(4), 0.0)
    chosen["seen"] = {"eyes": ChosenEdit("0", DetectedChange(plain, where), 1, 0.001, 0.9)}
    labels = best.best_by_kind(chosen)
    rows["seen", "eyes"] = {1: row(0.01), 2: row(0.01)}
    table = best.table(rows, labels)
    assert labels["eyes"][best.DETECTED] == "seen" and best.DETECTED in table.header
    assert table.rows[0][5] == "seen (100 %, 10.0)" and table.rows[0][7] == "20.0 ± 10.0"


def row(spilled):
    return {"reached": float(spilled is not None), "spilled": spilled}
