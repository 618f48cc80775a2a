"""One command scores parts by meaning, on a small generator and a stand-in for the parser."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from drawn_faces import draw_features

from panda import PandaError
from panda.cli import main
from panda.cli.benchmark import parts as kind
from panda.evaluation import parts
from panda.evaluation.classes import ClassMaps
from panda.evaluation.divisions import CONTROLS, KINDS, clusters, divisions, grid
from panda.evaluation.part_scores import FIXED, JOINED, SEGMENTS, fixed, score_division, segments
from panda.factorization.features import Features
from panda.factorization.statistics import gather
from panda.generators.contract import Layer
from panda.metrics import parsing
from panda.metrics.meaning import overlap
from panda.metrics.parsing import CLASSES
from panda.naming.names import GROUPS

COMMAND = ["benchmark", "parts", "tiny", "--layers", "b", "--parts", "2,3"]
COMMAND += ["--samples", "16", "--n", "3", "--select", "2"]


class StandIn:
    """A parser that sees the same face in every image, and counts the images."""

    def __init__(self, device="cpu"):
        self.seen = 0

    def __call__(self, images, size=64):
        self.seen += len(images)
        parsed = torch.full((len(images), size, size), CLASSES.index("skin"), dtype=torch.uint8)
        parsed[:, : size // 4] = CLASSES.index("background")
        return draw_features(parsed)


@pytest.fixture
def parser(tiny, monkeypatch):
    parser = StandIn()
    monkeypatch.setattr(kind, "create_generator", lambda name, device: tiny)
    monkeypatch.setattr(parsing, "FaceParser", lambda device: parser)
    return parser


def test_every_division_is_scored_and_the_same_command_goes_on(
    parser, tmp_path, capsys, monkeypatch
):
    out = ["--out", str(tmp_path / "out")]
    assert main([*COMMAND, *out]) == 0
    assert parser.seen == 5
    printed = capsys.readouterr().out
    assert "| b (8) | 2 |" in printed and "best fixed masks" in printed
    before = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = before["scores"]
    kinds = {(row["kind"], row["layer"], row["count"]) for row in rows}
    every = (*KINDS, SEGMENTS, *CONTROLS, *JOINED.values())
    assert kinds == {
        *((kind, "b", count) for kind in every for count in (2, 3)),
        (FIXED, "", 5),
    }
    assert all(0 < row["score"][0] <= 1 and row["score"][1] >= 0 for row in rows)
    by_kind = {row["kind"]: row for row in rows}
    assert by_kind[FIXED]["score"][0] > 0.95  # all images have the same classes
    assert max(row["score"][0] for row in rows) == by_kind[FIXED]["score"][0]
    with (tmp_path / "out" / "rows.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["class"] for row in table} == {"", "skin", "background", "eyes", "nose", "mouth"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page and "<img" in page and (tmp_path / "out" / "overview.png").is_file()
    monkeypatch.setattr(parts, "divisions", None)  # nothing is fitted again
    assert main([*COMMAND, *out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == rows
    assert parser.seen == 5  # not again


def test_a_damaged_or_another_benchmark_is_a_sentence(parser, tmp_path, capsys):
    out = ["--parts", "2", "--out", str(tmp_path / "out")]
    assert main([*COMMAND, *out]) == 0
    assert main([*COMMAND[:-1], "5", *out]) == 2
    assert "holds a benchmark of other settings (select)" in capsys.readouterr().err
    file = next((tmp_path / "out" / "layers").glob("*/scores.json"))
    file.write_text(file.read_text().replace('"count"', '"counts"'))
    assert main([*COMMAND, *out]) == 2
    assert "is damaged" in capsys.readouterr().err
    (tmp_path / "out" / "parsed" / "masks.safetensors").write_bytes(b"x")
    assert main([*COMMAND, *out]) == 2
    assert "is not a whole safetensors file" in capsys.readouterr().err


def test_what_cannot_be_scored_leaves_nothing(parser, tiny, tmp_path, capsys, monkeypatch):
    out = ["--out", str(tmp_path / "out")]
    for words, said in (
        (["--parts", "100"], "b of tiny has 64 positions"),
        (["--layers", "d"], "no layer 'd'"),
        (["--n", "0"], "0 images, expected at least one"),
    ):
        assert main([*COMMAND, *words, *out]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(parsing, "FaceParser", lambda device: lambda images: images[:, 0].byte())
    assert main([*COMMAND, *out]) == 2
    assert "the samples of tiny are no faces" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_usual_layers_are_those_near_the_sides_that_are_compared(tiny):
    assert parts.usual_layers(tiny) == ["b", "c"]


def test_a_grid_has_equal_cells_and_clusters_follow_what_varies_together():
    layer = Layer("l", 3, 10, 10, margin=1)
    cells = grid(layer, 8)
    assert cells.shape == (8, 8, 8) and cells.sum((1, 2)).tolist() == [8] * 8
    assert bool((cells[0, :2, :4] == 1).all())
    points = torch.zeros(100, 2, dtype=torch.float64)
    columns = torch.arange(100) % 10
    points[columns < 4, 0] = 1.0
    points[columns >= 4, 1] = torch.where(columns[columns >= 4] > 6, 5.0, 1.0).double()
    found = clusters(points, layer, 2)
    left = found[:, 0, 0].argmax()
    assert found[left].sum() == 8 * 3 and bool((found[left, :, :3] == 1).all())


def test_the_parts_of_the_benchmark_are_those_of_a_fit(tiny):
    from panda import fit

    layer = tiny.layer("b")
    statistics = gather(Features(tiny, layer, range(16)), 16, 2)
    made = {division.kind: division for division in divisions(statistics, layer, [2])}
    x = tiny.head(tiny.sample(range(3)), "b").x
    factors = fit(tiny, "b", parts=2, seeds=range(16), keep_artifacts=True)
    torch.testing.assert_close(made["parts"].masks(x)[0], factors.masks)
    assert made["refined"].masks(x).shape == (3, 2, 8, 8)
    assert made["parts"].loss == pytest.approx(factors.loss)
    different = (made["balanced"].masks(x) - made["parts"].masks(x)).abs().max()
    assert different > 0.1 and made["balanced"].loss > made["parts"].loss


def test_classes_are_matched_on_one_set_and_scored_on_another():
    """A part that was the eyes on the selection stays the eyes, whatever it is afterwards."""
    parsed = torch.full((4, 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :32] = CLASSES.index("hair")
    selection = ClassMaps(parsed, torch.empty(0))
    upside_down = ClassMaps(parsed.flip(1), torch.empty(0))
    masks = torch.zeros(1, 2, 64, 64)
    masks[0, 0, :32] = masks[0, 1, 32:] = 1
    overlaps = [overlap(masks, classes.maps) for classes in (selection, upside_down)]
    names = list(GROUPS)
    assert [names[k] for k in selection.common] == ["skin", "hair"]
    found = score_division("grid", *overlaps, selection, upside_down)
    assert found.chosen == 1 and found.score == (0, 0)
    assert found.classes["hair"].part == 0 and found.classes["skin"].part == 1
    assert fixed(selection, upside_down).score[0] == 0
    alone = overlap(masks[:, :1], selection.maps)
    one = score_division("grid", alone, alone, selection, selection)
    assert one.score == (0.5, 0) and one.coverage == 0.5 and one.purity == 1


def test_segments_have_no_rims_and_join_where_they_are_mostly_of_one_class():
    parsed = torch.full((2, 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :32] = CLASSES.index("hair")
    classes = ClassMaps(parsed, torch.empty(0))
    masks = torch.full((3, 64, 64), 0.1)  # a rim that is everywhere
    masks[0, :32, :32] = masks[1, :32, 32:] = masks[2, 32:] = 1
    soft = overlap(masks[None], classes.maps)
    row = replace(score_division("parts", soft, soft, classes, classes), layer="l", count=3)
    hard, joined = segments(row, masks, classes, classes)
    assert row.score[0] < hard.score[0] < joined.score[0]
    assert hard.classes["hair"].purity == 1 and hard.classes["hair"].coverage == 0.5
    assert hard.classes["skin"].score == joined.classes["hair"].score == (1, 0)
    assert (hard.layer, hard.count, hard.kind, joined.kind) == ("l", 3, SEGMENTS, JOINED[SEGMENTS])
    (cells,) = segments(replace(row, kind="grid"), masks, classes, classes)
    assert cells.kind == JOINED["grid"] and cells.score == joined.score
    masks[2] = 0
    masks[:2, 32:] = 0  # where there is no part
    lost = segments(row, masks, classes, classes)[1]
    assert lost.classes["skin"].part is None and lost.classes["hair"].score == (1, 0)
    assert lost.score == (0.5, 0)


def test_samples_of_other_settings_are_refused(parser, tiny, tmp_path):
    made = parts.prepare(tiny, tmp_path / "o", name="tiny", layers="b", parts=2, n=3, select=2)
    parts.run(replace(made, settings=replace(made.settings, samples=9)), parser)
    other = replace(made, settings=replace(made.settings, n=4))
    with pytest.raises(PandaError, match="other samples than the settings"):
        parts.classes_of(other)
