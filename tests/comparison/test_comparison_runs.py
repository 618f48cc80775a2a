"""`panda compare`: the identical analysis, and what stops or fails on the way."""

import html
import json
import re
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from comparing import PROGAN, SMALL, STYLEGAN2
from conftest import MINI, TinyGenerator
from drawn_faces import draw_features
from snippets import ROOT, blocks

from panda import PandaError
from panda.cli import main
from panda.comparison import analysis, compare, run
from panda.comparison.decoding import decode
from panda.comparison.report import contrast, curves, write
from panda.comparison.results import Depth, GeneratorResult
from panda.comparison.store import ComparisonFolder
from panda.comparison.tables import markdown, tables
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.generators import entries
from panda.generators.entries import Entry
from panda.generators.scores import Score
from panda.metrics.parsing import CLASSES


class Other(TinyGenerator):
    """The same network with other weights, and no layer of 4 x 4."""

    def __init__(self, device=torch.device("cpu"), dtype=torch.float32):  # noqa: B008
        super().__init__(device, dtype)
        self.dense.weight.mul_(-1.3)
        del self.layers["a"]

    def index(self, layer):
        return super().index(layer) + 1

    def forward(self, latents):
        return self.tail(self.head(latents, "b"), "b")


MAKERS = {"tiny": TinyGenerator, "other": Other}


@pytest.fixture
def toys(monkeypatch):
    """Generators by name, without a plugin."""

    def create(name, *, device="cpu"):
        if name == "broken":
            raise RuntimeError("its weights are gone")
        generator = MAKERS[name]()
        generator.name = name
        return generator

    monkeypatch.setattr(analysis, "create_generator", create)
    monkeypatch.setattr(entries, "find_card", lambda name: None)
    monkeypatch.setattr(entries, "is_file", lambda name: False)


def test_everything_is_compared_kept_and_shown(toys, tmp_path, capsys):
    found = compare(["tiny", "other"], tmp_path / "out", SMALL)
    assert [one.name for one in found.generators] == ["tiny", "other"]
    tiny, other = found.generators
    assert [level.layer for level in tiny.levels] == ["a", "b"]
    assert other.absent == (4,) and [level.layer for level in other.levels] == ["b"]
    assert [depth.size for depth in tiny.depths] == [4, 8, 16]
    for level in tiny.levels:
        assert len(level.parts) == 3 and 0 <= level.loss < 1
        assert all(a.inside > 0 for a in level.appearances)
        assert level.removal.gone is None and level.removal.inside[0] > 0
    assert {(m.level, m.kind) for m in found.matchings} == {(2, "parts"), (2, "appearances")}
    for matching in found.matchings:
        for row in matching.rows:
            assert row.matches[matching.reference].similarity == pytest.approx(1)
            assert -1 <= row.similarity <= 1

    page = write(found, tmp_path / "out").read_text()
    assert "Matched parts at 1/2" in page and "Background factors" in page and "<svg" in page
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert decode(GeneratorResult, kept["generators"][0]) == tiny
    text = (tmp_path / "out" / "results.md").read_text()
    assert "| other |" in text and "no layer near 1/4" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("| tiny")}) > 1
    told = capsys.readouterr().err
    assert "tiny: 1/2 of the image, b (level 2 of 2 to do)" in told
    assert "other: done (2 of 2" in told


def test_the_command_of_the_page_is_quoted_and_works_in_any_directory(toys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = Path("Anna's figures")
    page = write(compare(["tiny"], out, replace(SMALL, levels=(4,))), out).read_text()
    (command,) = re.findall("<pre>(panda edit .*?)</pre>", page)
    program, verb, factors, *_ = shlex.split(html.unescape(command))
    assert (program, verb) == ("panda", "edit")
    assert Path(factors).is_absolute() and Factors.load(factors).layer.name == "a"


def test_factors_lie_beside_the_figures(toys, tmp_path):
    compare(["tiny"], tmp_path / "out", SMALL)
    factors = Factors.load(tmp_path / "out/generators/tiny/level-2/factors")
    assert (factors.generator, factors.layer.name) == ("tiny", "b")
    alone = fit(TinyGenerator(), "b", parts=3, seeds=range(12))
    assert torch.allclose(alone.parts, factors.parts)
    maps = ComparisonFolder(tmp_path / "out", SMALL).maps(Entry("tiny"), 2)
    assert maps["parts"].shape == (3, 32, 32) and maps["changes"].shape == (3, 3, 16, 16)


def test_the_same_call_goes_on_where_it_was_stopped(toys, tmp_path, monkeypatch, capsys):
    real = analysis.fit

    def stopped(generator, layer, **options):
        if layer == "b":
            raise KeyboardInterrupt
        return real(generator, layer, **options)

    monkeypatch.setattr(analysis, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        compare(["tiny"], tmp_path / "out", SMALL)
    first = tmp_path / "out/generators/tiny/level-4/figures.json"
    written = first.stat().st_mtime_ns
    assert not (tmp_path / "out/generators/tiny/level-2").exists()
    monkeypatch.setattr(analysis, "fit", real)
    half = first.parent.with_name(".level-2.panda-killed00")
    half.mkdir()
    first.parent.with_name(".level-2.mine").mkdir()
    (first.parent.with_name(".level-2.mine") / "x").touch()
    journal = first.parent.with_name(".fit-4")  # killed when the level was written
    journal.mkdir()
    with (
        ComparisonFolder(tmp_path / "out", SMALL).lock(),
        pytest.raises(PandaError, match="another run is at work"),
    ):
        half.mkdir(exist_ok=True)
        compare(["tiny"], tmp_path / "out", SMALL)
    found = compare(["tiny"], tmp_path / "out", SMALL)
    assert not half.exists() and not journal.exists()
    assert (first.parent.with_name(".level-2.mine") / "x").exists()
    assert len(found.generators[0].levels) == 2 and first.stat().st_mtime_ns == written
    capsys.readouterr()

    monkeypatch.setattr(analysis, "create_generator", None)  # nothing is loaded again
    again = compare(["tiny"], tmp_path / "out", SMALL)
    assert again == found
    with pytest.raises(PandaError, match="other settings \\(parts\\)"):
        compare(["tiny"], tmp_path / "out", replace(SMALL, parts=2))


def test_generators_are_a_name_a_path_or_several_of_them(toys, tmp_path):
    small = replace(SMALL, levels=(4,))
    found = compare("tiny", str(tmp_path / "out"), small, jobs=torch.tensor(1))
    assert found == compare((name for name in ["tiny"]), tmp_path / "out", small)
    assert found == compare(Path("tiny"), tmp_path / "out", small)
    assert repr(found) == "<Comparison of tiny>" and found.get("tiny") is found.generators[0]
    with pytest.raises(PandaError, match="no generator 'tyny' was compared; did you mean 'tiny'"):
        found.get("tyny")
    for given in (3, [TinyGenerator()], [b"tiny"], None):
        with pytest.raises(PandaError, match="is no generator that can be compared; expected a"):
            compare(given, tmp_path / "out", small)
    with pytest.raises(PandaError, match="results cannot be written to 3; name a new folder"):
        compare("tiny", 3, small)
    with pytest.raises(
        PandaError, match=f"'{MINI}' is a generator, expected a folder; .* as a list:"
    ):
        compare("tiny", MINI, small)
    with pytest.raises(PandaError, match="0.5 jobs, expected a whole number"):
        compare("tiny", tmp_path / "out", small, jobs=0.5)


def test_what_a_kill_left_of_the_plan_is_no_other_folder(toys, tmp_path):
    left = tmp_path / "out" / ".plan.json.panda-abcdefgh"
    left.mkdir(parents=True)
    compare(["tiny"], tmp_path / "out", replace(SMALL, levels=(4,)))
    assert not left.exists()


def test_one_that_fails_is_reported_and_the_others_go_on(toys, tmp_path):
    found = compare(["broken", "tiny"], tmp_path / "out", replace(SMALL, levels=(4,)))
    assert [one.name for one in found.generators] == ["tiny"]
    assert found.failures[0].name == "broken"
    assert not (tmp_path / "out/generators/broken").exists()
    assert found.failures[0].reason == "RuntimeError: its weights are gone"
    assert "| broken | RuntimeError: its weights are gone |" in markdown(found)
    with pytest.raises(PandaError, match="no generator could be compared: broken: RuntimeError"):
        compare(["broken"], tmp_path / "none", SMALL)
    assert not (tmp_path / "none").exists()


def test_a_class_that_does_not_exist_is_refused_before_any_work(toys, tmp_path, monkeypatch):
    monkeypatch.setattr("panda.comparison.run.analyze", None)
    with pytest.raises(PandaError, match="^tiny@99 cannot be compared: tiny has no classes, but"):
        compare(["other", "tiny@99"], tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_damaged_results_are_a_failure_that_says_what_to_do(toys, tmp_path):
    small = replace(SMALL, levels=(4,))
    compare(["tiny"], tmp_path / "out", small)
    (tmp_path / "out/generators/tiny/level-4/figures.json").write_text("{}")
    with pytest.raises(
        PandaError,
        match="is damaged, or of another version .* delete .*/level-4 to have it made again",
    ):
        compare(["tiny"], tmp_path / "out", small)
    with pytest.raises(PandaError, match="holds no comparison"):
        compare(["tiny"], tmp_path, small)


def test_scores_of_plugins_are_figures_and_a_failing_one_is_a_note(toys, tmp_path, monkeypatch):
    added = {
        "part sharpness": Score("spread of masks", lambda g, factors, s: factors.masks.std()),
        "nothing": Score("not a number", lambda g, f, s: float("nan")),
        "crash": Score("raises", lambda g, f, s: 1 / 0),
    }
    monkeypatch.setattr(analysis, "scores", lambda: added)
    found = compare(["tiny"], tmp_path / "out", replace(SMALL, levels=(4,)))
    level = found.generators[0].levels[0]
    factors = Factors.load(tmp_path / "out/generators/tiny/level-4/factors")
    assert level.scores == {"part sharpness": pytest.approx(float(factors.masks.std()), rel=1e-6)}
    assert any("score 'nothing' failed: PandaError: it gave nan" in note for note in level.notes)
    assert any("score 'crash' failed: ZeroDivisionError" in note for note in level.notes)
    table = next(table for table in tables(found) if table.title == "At 1/4 of the image")
    assert "part sharpness" in table.header


def test_faces_are_parsed_where_there_are_any(toys, tmp_path, monkeypatch):
    def parse(images, size=512):
        """A face in the middle of background, whose hair is the upper third."""
        parsed = torch.zeros(len(images), 64, 64, dtype=torch.uint8)
        parsed[:, 8:56, 16:48] = CLASSES.index("skin")
        parsed[:, 8:24, 16:48] = CLASSES.index("hair")
        return draw_features(parsed)

    def classify(images):
        means = images.mean((2, 3))
        return means.softmax(1), means

    monkeypatch.setattr(analysis, "OnceParser", lambda size, device: parse)
    monkeypatch.setattr(analysis, "Classifier", lambda device: classify)
    found = compare(["tiny"], tmp_path / "out", replace(SMALL, levels=(2,), faces=True))
    one = found.generators[0]
    assert one.faces and all(0 <= depth.iou[0] <= 1 for depth in one.depths)
    level = one.levels[0]
    assert set(level.localization) == {"background", "hair", "skin"}
    for facts in level.localization.values():
        assert facts.constant[0] == 1  # the stand-in sees the same face in everything
        assert facts.gain[0] == pytest.approx(facts.iou[0] - 1)
    traces = {"seam before", "seam", "texture", "damage"}
    assert set(level.hair) == {"gone", "stays", "class drop"} | traces
    assert level.removal.gone == (0, 0)  # the stand-in sees the same face in everything
    assert level.removal.seam[0] > 0 and level.removal.damage[0] >= 0
    assert all("background" in part.name or part.name for part in level.parts)
    text = markdown(found)
    assert one.whole == 1 and "| yes, 100% whole |" in text
    assert "Where concepts are at 1/2" in text and "random direction" in text


def test_no_weights_of_the_parser_is_a_note(toys, tmp_path, monkeypatch):
    def gone(size, device):
        raise PandaError("no network")

    monkeypatch.setattr(analysis, "OnceParser", gone)
    found = compare(["tiny"], tmp_path / "out", replace(SMALL, levels=(4,), faces=True))
    assert found.generators[0].notes == ("faces were not parsed: no network",)


def test_the_score_in_the_docs_is_measured(toys, tmp_path, monkeypatch):
    (snippet,) = (b for b in blocks("docs/contract.md", "python") if "panda_scores" in b)
    namespace = {}
    exec(compile(snippet, "docs/contract.md", "exec"), namespace)
    monkeypatch.setattr(analysis, "scores", namespace["panda_scores"])
    found = compare(["tiny"], tmp_path / "out", replace(SMALL, levels=(4,)))
    assert 0 < found.generators[0].levels[0].scores["part area"] < 1


def test_the_example_runs(toys, tmp_path, capsys, monkeypatch):
    path = ROOT / "examples" / "compare_generators.py"
    namespace = {"__name__": "example"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    namespace["PLAN"] = replace(namespace["PLAN"], levels=(2,), samples=12)
    namespace["main"](tmp_path / "out", ["tiny", "other"])
    told = capsys.readouterr().out
    assert "background is clearest at" in told and "parts " in told
    assert (tmp_path / "out" / "report.html").exists()


def test_from_the_shell_with_files_and_processes(tmp_path, capsys):
    out = tmp_path / "out"
    words = ("compare", STYLEGAN2, PROGAN, "--out", str(out), "--jobs", "2", "--no-faces")
    small = ("--samples", "8", "--scored", "2", "--parts", "3", "--levels", "2", "--quick")
    started = time.monotonic()
    assert main([*words, *small, "--json"]) == 0
    first = time.monotonic() - started
    told = capsys.readouterr()
    facts = json.loads(told.out)
    names = [one["name"] for one in facts["generators"]]
    assert names == ["stylegan2-ada/network.pkl", "proggan-genforce/checkpoint.pth"]
    assert facts["plan"]["samples"] == 8 and "(2 of 2 in" in told.err
    assert (out / "report.html").exists()
    started = time.monotonic()
    assert main([*words, *small]) == 0
    assert time.monotonic() - started < max(first, 5)
    assert "| proggan-genforce/checkpoint.pth |" in capsys.readouterr().out


def test_a_process_that_is_lost_takes_no_other_with_it():
    class Pipe:
        def recv(self):
            raise EOFError

    failure = run._received(Pipe(), Entry("tiny"), -9)
    assert failure.reason == "its process was lost (exit code -9)"


def test_processes_end_with_one_that_is_killed(tmp_path):
    """Or they would hold the journals of the fits against the same command, run again."""
    words = ("compare", STYLEGAN2, PROGAN, "--out", str(tmp_path / "out"), "--jobs", "2")
    long = ("--no-faces", "--quick", "--samples", "100000")
    command = [sys.executable, "-m", "panda", *words, *long]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for name in ("stylegan2-ada", "proggan-genforce"):
            while name not in (line := process.stderr.readline()):
                assert line, "it ended by itself"
        process.kill()
        process.communicate(timeout=30)  # which waits for all that write to the pipe


def test_layers_inside_a_sampler_have_a_curve_of_their_own():
    same = {"share": (0.1, 0), "selected": 0.5, "iou": (0.5, 0.1)}
    depths = [
        Depth(layer, size, contrast=(value, 0), **same)
        for layer, size, value in (("up@*", 16, 1), ("decode.16", 16, 2), ("decode.32", 32, 3))
    ]
    result = GeneratorResult("g", "g", None, "a", "d", (64, 64), True, tuple(depths), 1)
    found = dict(curves(result, contrast))
    assert found == {"g": [(0.25, 2), (0.5, 3)], "g, sampler": [(0.25, 1)]}
