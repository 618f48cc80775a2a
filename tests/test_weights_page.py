"""The commands of docs/weights.md name generators that exist, and its edit file is valid."""

import json
import pkgutil
from importlib import import_module

from snippets import ROOT, blocks, commands

import panda.metrics
from panda.cli import main
from panda.cli.parser import build_parser
from panda.editing.edit_files import named_edits, read_edits
from panda.generators.registry import cards
from panda.weights import ModelWeights

PAGE = "docs/weights.md"


def test_every_command_parses_and_names_a_card(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = commands(PAGE)
    assert len(lines) == 7
    for line in lines:
        for word in line:
            if word.endswith((".pkl", ".pth", ".npy")) or word == "layer5":
                (tmp_path / word).touch()
        options = build_parser().parse_args(line)
        for name in getattr(options, "generators", []):
            assert name in cards()
        if line[0] in ("list", "info"):
            assert main(line) == 0
    assert "stylegan3-t-ffhqu-256" in capsys.readouterr().out


def test_the_edit_file_is_valid(tmp_path, monkeypatch, capsys):
    (shown,) = blocks(PAGE, "json")
    (tmp_path / "edits.json").write_text(shown)
    assert (
        read_edits(tmp_path / "edits.json")["smile"] == named_edits("stylegan2-ffhq-1024")["smile"]
    )
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks(PAGE, "python")
    exec(compile(snippet, "weights.md", "exec"), {})
    assert capsys.readouterr().out == "('4:46:-30',)\n"
    assert json.loads((tmp_path / "edits.json").read_text())["edits"].keys() == {"smile"}


def test_every_network_that_measures_is_listed():
    rows = [line for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("| `")]
    found = set()
    for module in pkgutil.iter_modules(panda.metrics.__path__, "panda.metrics."):
        values = vars(import_module(module.name)).values()
        found |= {value for value in values if isinstance(value, ModelWeights)}
    assert len(found) >= 7
    for weights in found:
        (row,) = (line for line in rows if f"`{weights.name}`" in line)
        assert f"| `{weights.source.project}` | {weights.source.size / 1e6:.0f} |" in row
