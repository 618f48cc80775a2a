"""`panda benchmark locality` on a small network of the goldens."""

import json

import pytest
import torch
from bright_eyes import look_at_bright_eyes
from glowing_eyes import Glow
from golden_files import FOLDER
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

from panda import PandaError, create_generator
from panda.cli import main
from panda.directions import gradient
from panda.directions.changes import StyleChange, WChange
from panda.editing.detectors import Detector
from panda.editing.local import DetectedChange, LocalChange
from panda.evaluation import locality, localized, results
from panda.evaluation.choose import ChosenEdit, _rank
from panda.evaluation.controls import CONTROLS
from panda.evaluation.edits import EDITS, find_edits
from panda.evaluation.faces import measures
from panda.evaluation.settings import LocalitySettings
from panda.evaluation.store import BenchmarkFolder
from panda.metrics.fid import set_distance
from panda.metrics.parsing import CLASSES

FILE = str(FOLDER / "stylegan2-genforce/checkpoint.pth")
METHODS = ("sefa:components=2", "style=stylespace:images=1:samples=5:probes=1:channels=2", "panda")


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    def distance(device):
        return lambda before, after: (after - before).abs().mean(1)

    def features(device):
        return lambda images: adaptive_avg_pool2d(images, 27).flatten(1)[:, :2048]

    monkeypatch.setattr(locality, "LPIPS", distance)
    monkeypatch.setattr(locality, "InceptionFeatures", features)


def arguments(out, *more):
    panda = "panda:layers=8.conv1@3:samples=6:appearances=2"
    methods = [panda if text == "panda" else text for text in METHODS]
    options = [word for text in methods for word in ("--method", text)]
    return [
        *("benchmark", "locality", FILE, "--edits", "eyes,open_mouth", "--no-faces"),
        *("--n", "5", "--strength", "0.05", "--select", "1", "--shortlist", "1"),
        *("--effects", "--pictures", "2", "--out", str(out), *options, *more),
    ]


def test_one_direction_may_serve_two_purposes(tmp_path):
    choice = ChosenEdit("sefa 1", WChange(torch.ones(4), 0, 2), 1.0, 0.5, 1.0)
    folder = BenchmarkFolder(tmp_path, {})
    fit = {"method": ["sefa", []], "edits": 1, "cpu_seconds": 0.1}
    folder.save_choices("sefa", {"open_mouth": choice, "smile": choice}, fit)
    choices, _ = folder.load_choices("sefa")
    assert torch.equal(choices["smile"].change.direction, choices["open_mouth"].change.direction)


def test_directions_of_any_method_are_made_local_and_resume(tmp_path, capsys, monkeypatch):
    drawn = Detector("eyes", "16.conv1", torch.ones(32) / 100, 0.25)
    monkeypatch.setattr(localized, "find_detector", lambda *given: drawn)
    out, methods, seen = tmp_path / "run", [], "seen=sefa:local=face/16"
    for text in (
        "sefa",
        "near=sefa:local=16",
        seen,
        "style=stylespace:local=8.conv1:images=1:samples=5",
    ):
        text += ":probes=1:channels=2" if text.startswith("style") else ":components=2"
        methods += ["--method", text]
    words = ["benchmark", "locality", FILE, "--edits", "eyes", "--no-faces", "--n", "3"]
    words += ["--strength", "0.02", "--select", "1", "--shortlist", "2", "--pictures", "1"]
    assert main([*words, "--out", str(out), *methods, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["methods"]
    plain, near = (found[label]["edits"]["eyes"]["roir"][0] for label in ("sefa", "near"))
    assert near < plain
    folder = BenchmarkFolder(out, json.loads((out / "plan.json").read_text()))
    supervised = [folder.load_choices(label)[1]["supervised"] for label in ("near", "seen")]
    assert supervised == [False, True]
    choices, _ = folder.load_choices("near")
    kept, direction = choices["eyes"].change, choices["eyes"].change.change
    assert isinstance(kept, LocalChange) and isinstance(direction, WChange) and kept.parts
    assert kept.layer == "16.conv1"
    seen = folder.load_choices("seen")[0]["eyes"].change
    assert isinstance(seen, DetectedChange) and torch.equal(seen.detector.weights, drawn.weights)
    assert (seen.layer, seen.detector.region, seen.detector.offset) == ("16.conv1", "eyes", 0.25)
    again, _ = folder.load_choices("style")
    assert isinstance(again["eyes"].change.change, StyleChange)
    assert main([*words, "--out", str(out), *methods]) == 0
    assert "near" in capsys.readouterr().out
    for local, said in (
        ("local=9.conv1", "has no layer '9.conv1'"),
        ("local=face/9.conv1", "has no layer '9.conv1'"),
        ("local=", "'local=': expected one layer"),
        ("local=16:local=8", "expected one layer"),
        ("local=\N{SUPERSCRIPT TWO}", "has no layer"),
    ):
        assert main([*words, "--out", str(tmp_path / "b"), "--method", f"sefa:{local}"]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_figures_tables_pictures_and_resuming(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(arguments(out, "--part", "1/2")) == 0
    assert "figures are still to come" in capsys.readouterr().err
    assert main(arguments(out, "--part", "2/2", "--json")) == 0
    summary = json.loads(capsys.readouterr().out)
    assert set(summary["methods"]) == {"sefa", "style", "panda", *CONTROLS}
    for label, facts in summary["methods"].items():
        for figures in facts["edits"].values():
            assert figures["n"] == 5, label
            assert figures["roir"][0] >= 0
            assert (figures["roir"][0] == 0) is (label == "pasted")
    bright = summary["methods"]["brightness"]["edits"]["eyes"]
    assert bright["strength"][0] == pytest.approx(0.05, rel=0.04)
    assert bright["reached"][0] == 1
    kept = (
        BenchmarkFolder(out, {}).features("before"),
        BenchmarkFolder(out, {}).features("brightness/eyes"),
    )
    assert list(kept[0]) == list(kept[1]) == [*range(1_000_000, 1_000_005)]
    sets = [torch.stack([*rows.values()]) for rows in kept]
    assert bright["fid"][0] == pytest.approx(set_distance(*sets)) and bright["fid"][0] > 0
    assert len(list((out / "pictures" / "eyes" / "panda").glob("*.png"))) >= 2
    with Image.open(out / "overview.png") as overview:
        assert overview.size == (4 * 160 + 3 * 2, 2 * 160 + 2)
    page = (out / "report.html").read_text()
    assert "open_mouth: the same faces" in page and "ROIR" in page

    text = (out / "results.md").read_text()
    rows = {file: file.read_text() for file in out.rglob("*.jsonl")}
    assert main(arguments(out)) == 0  # nothing is left to do, and nothing changes
    assert (out / "results.md").read_text() == text
    assert rows == {file: file.read_text() for file in out.rglob("*.jsonl")}

    for lost in (file for file in rows if file.parent.name == "sefa"):
        lost.write_text(lost.read_text()[:-20])  # killed in the middle of a line
        records = lost.with_suffix(".features")
        records.write_bytes(records.read_bytes()[:-20])
    for part in ("1/2", "2/2"):
        assert main(arguments(out, "--part", part)) == 0
    again = json.loads((out / "results.json").read_text())["methods"]["sefa"]["edits"]
    before = summary["methods"]["sefa"]["edits"]
    for figure in ("roir", "fid"):
        assert {e: f[figure] for e, f in again.items()} == {e: f[figure] for e, f in before.items()}

    more = ["--n", "6", "--method", "random-w=sefa:components=1"]
    assert main([*arguments(out), *more, "--json"]) == 0
    capsys.readouterr()
    grown = json.loads((out / "results.json").read_text())["methods"]
    assert grown["sefa"]["edits"]["eyes"]["n"] == grown["random-w"]["edits"]["eyes"]["n"] == 6

    assert main([*arguments(out), "--strength", "0.1"]) == 2
    assert "holds a benchmark of other settings (target)" in capsys.readouterr().err
    other = [text.replace("appearances=2", "appearances=3") for text in arguments(out)]
    assert main(other) == 2
    assert "has 'panda' with other settings; rename one" in capsys.readouterr().err


def test_what_a_kill_left_of_the_plan_is_no_other_folder(tmp_path):
    left = tmp_path / "out" / ".plan.json.panda-abcdefgh"
    left.mkdir(parents=True)
    BenchmarkFolder(tmp_path / "out", {}).begin()
    assert not left.exists()
    (tmp_path / "other" / ".hidden").mkdir(parents=True)
    with pytest.raises(PandaError, match="holds no benchmark"):
        BenchmarkFolder(tmp_path / "other", {})


def test_the_share_of_images_with_enough_of_an_effect_is_told(tmp_path):
    generator = create_generator(FOLDER / "proggan-genforce/checkpoint.pth")
    settings = LocalitySettings("x", "eyes", 3, ("sefa",), parse=0)
    benchmark = locality.prepare(generator, settings, tmp_path / "out")
    effects = [9.0, 1.0, None, 0.9]  # None where there was nothing to measure
    rows = [{"seed": seed, "effect": effect} for seed, effect in enumerate(effects)]
    benchmark.folder.add_rows("sefa", "eyes", "1-of-1", rows)
    summary = results.summarize(benchmark)
    assert summary["methods"]["sefa"]["edits"]["eyes"]["enough"] == [50, None]
    text = results.markdown(summary)
    assert "### images with an effect of at least 1, %" in text and "| sefa | 50 | 50 |" in text


def test_a_supervised_method_is_measured_plain_and_local_and_tables_say_what_it_is(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(gradient, "FaceParser", lambda device: Glow())
    monkeypatch.setattr(localized, "SAMPLES", 20)
    text = "gradient:images=1:measures=eye area,mouth opening"
    methods = text, f"near={text}:local=16", "sefa:components=1"
    settings = LocalitySettings(
        "x", "eyes", 1, methods, target=0.01, parse=0, select=1, shortlist=1
    )
    benchmark = locality.prepare(create_generator(FILE), settings, tmp_path / "out")
    assert locality.run(benchmark)
    again = locality.prepare(create_generator(FILE), settings, tmp_path / "out")
    chosen = locality.choose_all(again)
    assert all(
        chosen[label]["eyes"].name.startswith("eye area in") for label in ("gradient", "near")
    )
    assert isinstance(chosen["near"]["eyes"].change, LocalChange)
    shown = results.markdown(results.summarize(again))
    assert "| gradient (supervised) |" in shown and "| near (supervised) |" in shown
    assert "| sefa |" in shown
    assert "gradient is supervised: its fit uses face parsing" in shown


def test_a_method_that_cannot_run_says_why(tmp_path):
    generator = create_generator(FOLDER / "proggan-genforce/checkpoint.pth")
    settings = LocalitySettings(
        "x", "eyes", 1, ("resefa", "sefa:components=1"), target=0.05, parse=0, select=1, shortlist=1
    )
    benchmark = locality.prepare(generator, settings, tmp_path / "out")
    assert locality.run(benchmark)
    text = results.markdown(results.summarize(benchmark))
    assert "resefa did not run: ReSeFa needs a mapped latent space (w)" in text
    assert "| sefa |" in text


def test_samples_that_are_no_faces_are_refused(tmp_path, monkeypatch):
    def skin_with_a_nose(images, size=512):
        parsed = torch.full((len(images), 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
        parsed[:, 20:40, 20:40] = CLASSES.index("nose")
        return parsed

    monkeypatch.setattr(locality, "FaceParser", lambda device: skin_with_a_nose)
    generator = create_generator(FOLDER / "proggan-genforce/checkpoint.pth")
    settings = LocalitySettings("x", "nose", 1, ("sefa:components=1",), select=1, shortlist=1)
    benchmark = locality.prepare(generator, settings, tmp_path / "out")
    said = "0 of 2 samples of .* are faces, as parsed at 512 pixels; leave out face parsing with"
    with pytest.raises(PandaError, match=said):
        locality.run(benchmark)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--part", "3/2"), "expected such as 1/2"),
        (("--method", "sefaa"), "no method 'sefaa'"),
        (("--method", "a/b=sefa"), "is no label of a method"),
        (("--method", "panda:samples=9"), "two methods are called 'panda'"),
        (("--published", "x=a.npy"), "no method of that label"),
        (("--edits", "ears"), "no edit 'ears'"),
        (("--strength", "0"), "a target in"),
        (("--shortlist", "0"), "a shortlist of 0 edits"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, capsys, more, said):
    assert main(arguments(tmp_path / "run", *more)) == 2
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def at_equal_effect(tmp_path_factory):
    out = tmp_path_factory.mktemp("effect") / "run"
    with pytest.MonkeyPatch.context() as patch:
        look_at_bright_eyes(patch)
        words = ["benchmark", "locality", FILE, "--equal", "effect", "--edits", "eyes,bald"]
        words += ["--n", "6", "--select", "1", "--shortlist", "1", "--pictures", "1"]
        for text in ("sefa:components=1", "near=sefa:components=1:local=16", "random:components=1"):
            words += ["--method", text]
        words += ["--parse-size", "64", "--out", str(out)]
        assert main(words) == 0
        yield out, words


def test_at_equal_effect_every_face_has_a_strength_of_its_own(at_equal_effect):
    out, _ = at_equal_effect
    summary = json.loads((out / "results.json").read_text())
    assert set(summary["methods"]) == {"near", "sefa", "random"}
    rows = BenchmarkFolder(out, json.loads((out / "plan.json").read_text())).rows("sefa", "eyes")
    assert len(rows) == 6 and len({row["amount"] for row in rows.values()}) > 1
    reached = [row for row in rows.values() if row["reached"]]
    assert reached and all(row["effect"] >= 0.9 and row["spilled"] > 0 for row in reached)
    for row in rows.values():
        assert row["reached"] or row["spilled"] is None
        assert not row["reached"] or (row["landmarks"] > 0 and row["identity"] > 0)
    eyes = summary["methods"]["sefa"]["edits"]["eyes"]
    assert eyes["times"] == [1, 0]
    assert "bald" not in summary["methods"]["sefa"]["edits"]  # which nothing reaches
    assert "images that reach the effect, %" in (out / "results.md").read_text()


def test_at_equal_effect_a_run_resumes(at_equal_effect, capsys):
    out, words = at_equal_effect
    before = (out / "results.json").read_bytes()
    assert main(words) == 0
    assert (out / "results.json").read_bytes() == before


def test_effects_need_faces_and_boxes_have_three_regions(tmp_path, capsys):
    words = ["benchmark", "locality", FILE, "--out", str(tmp_path / "run"), "--method", "sefa"]
    assert main([*words, "--equal", "effect", "--no-faces"]) == 2
    assert "effects are measured on parsed faces" in capsys.readouterr().err
    assert main([*words, "--edits", "bald", "--no-faces"]) == 2
    assert "bald acts in hair, for which there is no box" in capsys.readouterr().err


def test_edits_are_found_by_name():
    assert list(find_edits("nose, eyes")) == ["nose", "eyes"]
    with pytest.raises(PandaError, match="no edits were given"):
        find_edits(",")


def test_what_does_what_is_wanted_is_preferred_to_what_is_local():
    def choice(roir, effect):
        return ChosenEdit("x", None, 1.0, roir, effect)

    best = min([choice(0.1, 0.2), choice(0.9, 1.5), choice(0.8, 1.1)], key=_rank)
    assert (best.score, best.effect) == (0.8, 1.1)
    assert min([choice(0.1, 0.2), choice(0.9, 0.7)], key=_rank).effect == 0.7


def drawn(color=0.0, rows=10, **boxes):
    """Measure a face of boxes, with hair of a color and rows at the top, and stripes behind."""
    parsed = torch.full((1, 100, 100), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[0, :rows] = CLASSES.index("hair")
    parsed[0, :, 90:] = CLASSES.index("background")
    for name, (top, left, height, width) in boxes.items():
        parsed[0, top : top + height, left : left + width] = CLASSES.index(name.replace("_", " "))
    image = torch.full((1, 3, 100, 100), color)
    image[..., 90:] = torch.tensor([-0.5, 0.5]).repeat(5)
    return measures(image, parsed)


FEATURES = {
    "left_eye": (30, 20, 5, 8),
    "left_brow": (20, 20, 2, 8),
    "nose": (40, 45, 20, 10),
    "lower_lip": (70, 40, 6, 20),
}


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        ("eyes", {"left_eye": (30, 20, 6, 8)}),
        ("closed_eyes", {"left_eye": (30, 20, 2, 8)}),
        ("nose", {"nose": (40, 45, 24, 10)}),
        ("narrow_nose", {"nose": (40, 45, 20, 8)}),
        ("open_mouth", {"mouth_interior": (71, 44, 3, 10)}),
        ("wide_mouth", {"lower_lip": (70, 36, 6, 28)}),
        ("smile", {"upper_lip": (64, 40, 6, 3), "mouth_interior": (64, 57, 6, 3)}),
        ("high_brows", {"left_brow": (17, 20, 2, 8)}),
        ("dark_hair", {"color": -0.3}),
        ("light_hair", {"color": 0.3}),
        ("long_hair", {"rows": 13}),
        ("bald", {"hat": (0, 0, 6, 100)}),
        ("plain_background", {"cloth": (0, 90, 100, 9)}),
    ],
)
def test_every_edit_of_faces_counts_what_it_is_for(edit, changed):
    before, after = drawn(**FEATURES), drawn(**(FEATURES | changed))
    goal = EDITS[edit]
    effect = float(goal.effect(before[goal.measure], after[goal.measure]))
    assert effect > 1
    assert before["glasses area"].item() == 0
    assert before["lip corners"].item() == pytest.approx(0, abs=1e-6)
    assert drawn()["brow height"].isnan().all()


def test_colors_are_unknown_where_a_class_is_hardly_there():
    parsed = torch.full((1, 100, 100), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[0, 0, :10] = CLASSES.index("hair")
    found = measures(torch.zeros(1, 3, 100, 100), parsed)
    assert found["hair brightness"].isnan().all() and found["background detail"].isnan().all()
