"""The study of backgrounds, on generators of which everything is known: a sky with a disc in it."""

import csv
import io
import json
import shutil
from dataclasses import replace

import pytest
import torch
from planted import SKY, planted
from torch.nn import functional as F

from panda import Generator, Latents, Layer, PandaError, State
from panda.checkpoints.tensors import save_tensors
from panda.cli import main
from panda.editing.remove import PAINT
from panda.evaluation.background import measure, run, scenes
from panda.evaluation.background.directions import METHODS, Direction, as_background, contrast
from panda.evaluation.background.portraits import compare_portraits, portray
from panda.evaluation.background.run import study_backgrounds
from panda.evaluation.background.settings import BackgroundSettings, layers_of
from panda.evaluation.background.study import Measured
from panda.generators.seeds import seeded_normal
from panda.images import read_picture
from panda.metrics.parsing import CLASSES

SIDE, CHANNELS, PIXELS = 16, 6, 32
FEW = BackgroundSettings(
    sets=2, samples=32, parts=2, n=6, edited=1, selected=4, portrayed=4, parse_size=32
)
COUNTS = {"sets": 2, "samples": 32, "parts": 2, "n": 6, "edited": 1, "select": 4, "images": 4}
SMALL = [word for name, count in COUNTS.items() for word in (f"--{name}", str(count))]
SMALL += ["--parse-size", "32"]


class Discs(Generator):
    """Skies of one color with a red disc below the middle, a little different in every sample.

    The sky is the first channel of the features and the disc the second; the others are noise. A
    ``blind`` one has noise in all of them, and draws the disc from its latents.
    """

    usual_truncation = 1.0
    device = torch.device("cpu")

    def __init__(self, name: str, sky: float = 0.5, blind: bool = False) -> None:
        self.name, self.sky, self.blind, self.size = name, sky, blind, (PIXELS, PIXELS)
        self.layers = {"l": Layer("l", CHANNELS, SIDE, SIDE)}

    def sample(self, seeds, *, truncation=1.0, label=None):
        return Latents(tuple(seeds), {"z": torch.from_numpy(seeded_normal(seeds, 4))})

    def head(self, latents, layer):
        z = latents.tensors["z"]
        at = (torch.arange(SIDE) + 0.5) / SIDE
        down, across = at[:, None] - 0.6 - 0.03 * z[:, 0, None, None], at - 0.5
        radius = 0.25 + 0.06 * z[:, 1].clamp(-2, 2)[:, None, None]
        disc = (down**2 + across**2 < radius**2).float()
        noise = seeded_normal(latents.seeds, CHANNELS, SIDE, SIDE)
        x = 0.2 * torch.from_numpy(noise)
        if not self.blind:
            x[:, 0] += 1 - disc
            x[:, 1] += disc
        return State(x, disc)

    def tail(self, state, layer):
        disc = state.rest if self.blind else (state.x[:, 1] > state.x[:, 0]).float()
        image = torch.stack([disc, (1 - disc) * self.sky, 1 - disc], 1) * 2 - 1
        return F.interpolate(image, (PIXELS, PIXELS))

    def forward(self, latents):
        return self.tail(self.head(latents, "l"), "l")


KNOWN = {"discs": Discs("discs"), "blind": Discs("blind", blind=True)}


def parser(images, size):
    """What is red is skin."""
    red = F.interpolate(images, (size, size))[:, 0] > 0
    return torch.where(red, CLASSES.index("skin"), 0).to(torch.uint8)


@pytest.fixture(scope="module", autouse=True)
def discs():
    """The generators by name, and a parser for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "create_generator", lambda name, device: KNOWN[name])
        patch.setattr(run, "find_entries", lambda names: [run.Entry(name) for name in names])
        patch.setattr(run, "FaceParser", lambda device: parser)
        patch.setattr(scenes, "enough_faces", lambda shown: True)
        patch.setattr(scenes, "show_face", lambda parsed: torch.arange(len(parsed)) % 2 == 0)
        patch.setattr(measure, "EDITED", ("column", "axis", "detector"))  # it takes half the time
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study of both generators, and its folder."""
    out = tmp_path_factory.mktemp("study") / "out"
    return study_backgrounds(list(KNOWN), out, FEW), out


def mean(found, kind, measure):
    return float(found.values("l", kind, measure).nanmean())


def test_a_planted_background_is_found_and_one_that_features_lack_is_not(done):
    seen, blind = done[0].generators
    constant = mean(seen, "constant", "iou")
    assert constant == pytest.approx(mean(blind, "constant", "iou"), abs=0.02)
    for kind in ("column", "axis"):
        assert mean(seen, kind, "iou") > max(0.96, constant)
        assert mean(blind, kind, "iou") < constant - 0.1, kind
        assert mean(seen, kind, "add gone") > 0.8 and mean(seen, kind, "paint gone") > 0.8
        assert mean(blind, kind, "add gone") == mean(blind, kind, "paint gone") == 0
        assert mean(seen, kind, "add color") < 20 < 60 < mean(blind, kind, "add color")
    assert mean(seen, "detector", "continue gone") > 0.9
    assert mean(seen, "one random", "iou") < mean(seen, "random", "iou")
    stable = {found.name: found.stabilities["l", "column"] for found in (seen, blind)}
    assert stable["discs"].cosine[1] > 0.95 and stable["discs"].maps[1] > 0.8
    assert stable["blind"].maps[2] < 0.8


def test_what_is_done_is_not_done_again_and_rows_and_tables_are_of_it(done, monkeypatch, capsys):
    study, out = done
    monkeypatch.setattr(run, "measure_set", None)
    assert main(["benchmark", "background", *KNOWN, *SMALL, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (out / "results.md").read_text().strip()
    assert "### Does a direction of factors tell where background is?" in printed
    rows = list(csv.DictReader(io.StringIO((out / "rows.csv").read_text())))
    assert len(rows) == 2 * FEW.sets * len(METHODS)
    column = [row for row in rows if row["generator"] == "discs" and row["method"] == "column"]
    again = sum(float(row["iou"]) for row in column) / len(column)
    assert again == pytest.approx(mean(study.generators[0], "column", "iou"), abs=1e-3)
    assert {row["first_seed"] for row in rows} == {"0", "32"}
    assert "whole faces (both eyes, nose, mouth): 50% of discs, 50% of blind." in printed
    picture = read_picture(out / "overview.png")
    first, empty = picture.crop((0, 0, 128, 128)), picture.crop((1300, 0, 1428, 128))
    assert picture.height > 4 * 128 and len(first.getcolors()) > 1  # a sky with a disc
    assert max(color[0] for _, color in empty.getcolors()) < 64  # all of the disc is removed
    assert main(["benchmark", "background", "discs", *SMALL, "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["settings"]["edited"] == 1 and facts["tables"][0]["rows"][0][0] == "discs"
    other = [*SMALL, "--no-faces", "--out", str(out)]
    assert main(["benchmark", "background", "discs", *other]) == 2
    assert "of other settings (faces)" in capsys.readouterr().err


def test_damage_is_a_sentence(done, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(done[1], folder)
    file = folder / "generators" / "discs" / "l-1" / "figures.json"
    for damage in (
        {"methods": 3},
        {"before": {"area": ["x"]}},
        {"constant": [[1]]},
        {"constant": [1, 1]},
        {"seeds": [3]},
    ):
        facts = json.loads((done[1] / file.relative_to(folder)).read_text())
        file.write_text(json.dumps(facts | damage))
        assert main(["benchmark", "background", "discs", *SMALL, "--out", str(folder)]) == 2
        assert "delete" in capsys.readouterr().err
    shutil.copytree(done[1], folder, dirs_exist_ok=True)
    save_tensors(file.with_name("directions.safetensors"), {"chosen": torch.zeros(1, 6)}, {})
    assert main(["benchmark", "background", "discs", *SMALL, "--out", str(folder)]) == 2
    assert "expected a direction of each kind" in capsys.readouterr().err


def test_what_is_no_face_is_chosen_by_its_contrast_and_edited_where_the_detector_says(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(scenes, "enough_faces", lambda shown: False)
    study = study_backgrounds(["discs"], tmp_path / "out", replace(FEW, sets=1))
    (found,) = study.generators
    assert not found.faces and found.values("l", "column", "iou") is None
    assert mean(found, "column", "contrast") > mean(found, "one random", "contrast")
    assert found.values("l", "column", "add gone") is None
    assert mean(found, "column", "add change") > mean(found, "column", "add damage")
    assert not found.stabilities


def test_contrast_is_in_standard_deviations_between_corners_and_the_rest():
    maps = torch.zeros(2, 12, 12)
    maps[0, :4, :2] = maps[0, :4, -2:] = 1
    found = contrast(maps)
    assert float(found[0]) == pytest.approx(1 / float(maps[0].std())) and found[1] == 0


def test_backgrounds_alike_in_images_are_told_from_others():
    """The same skies of other names, and brighter ones."""
    detector = torch.eye(CHANNELS)[:1]
    portraits = {}
    for name, sky in (("a", 0.5), ("b", 0.5), ("c", 0.9)):
        generator = Discs(name, sky)
        portraits[name] = portray(generator, None, generator.layers["l"], detector, 16)
    found = {(x.first, x.second, x.aspect): x for x in compare_portraits(portraits)}
    near = found["a", "b", "colors"]
    assert near.above_floor[0] == pytest.approx(0, abs=0.5) and near.floor[0] > 0
    assert near.above_floor[0] == pytest.approx(near.distance[0] - near.floor[0], abs=1e-4)
    low = found["a", "c", "colors"]
    assert low.above_floor[1] > 5 and low.below_control is not None and low.below_control[1] > 0
    assert found["a", "c", "where"].above_floor[1] < 0.01
    assert found["a", "c", "where"].below_control is None


@pytest.mark.verdict
def test_a_direction_takes_the_place_of_the_background_whatever_was_found():
    factors, x, _ = planted()
    none = replace(factors, config={"background": {"found": False, "agreement": 0, "covered": 0}})
    assert not none.has_background
    other = Direction("+2", -SKY, torch.eye(3)[2], 0.0)  # it takes the object for background
    taken = as_background(none, other, 7.0)
    assert taken.has_background and taken.background.tolist() == [0, 0, 7]
    added, painted = (
        after - x for _, after in measure.edits_by(taken, x, torch.ones(3, 8, 8), False)
    )
    assert torch.allclose(added, torch.tensor([0, 0, PAINT * 7]).view(1, 3, 1, 1).expand_as(x))
    assert float(painted[:, 2, 0].abs().min()) > 1 > float(painted[:, :, 4, 4].abs().max())


def test_layers_are_chosen_by_what_is_scored_on_samples_of_choices():
    scores = {"a": (0.3, 0.6), "b": (0.5, 0.5), "c": (0.4, 0.4)}
    units = {
        layer: [
            {"methods": {"column": {"selected": s}, "axis": {"selected": s + 0.1}}} for s in both
        ]
        for layer, both in scores.items()
    }
    found = Measured("g", list(scores), units, {})
    assert found.best_layer("column") == "b" and found.best_factor() == "axis"


def test_settings_that_cannot_be_measured_are_refused():
    with pytest.raises(PandaError, match="0 sets"):
        BackgroundSettings(sets=0)
    with pytest.raises(PandaError, match="the first seed of samples that are scored"):
        BackgroundSettings(sets=11, samples=100_000)
    with pytest.raises(PandaError, match="9 samples are to be edited of 8"):
        BackgroundSettings(n=8, edited=9)
    with pytest.raises(PandaError, match="3 images to compare"):
        BackgroundSettings(portrayed=3)
    assert BackgroundSettings(n=8, edited=3).edited_rows(2) == [6, 7, 0]
    flat = Discs("flat")
    flat.layers = {"l": Layer("l", 6, 1, 1)}
    with pytest.raises(PandaError, match="has no layer of 4 to 64 positions a side"):
        layers_of(flat)
