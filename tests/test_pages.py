"""All pages: their commands parse; the files, modules, links and rooms that they name exist."""

from __future__ import annotations

import csv
import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest
from snippets import PAGES, ROOT, commands, links
from test_house import FLOORS

from panda.cli.parser import build_parser
from panda.testing.trial import CHECKS

CHANGED_SINCE = {"CHANGELOG.md"}
"""Pages that also mention names of earlier versions."""


@pytest.mark.parametrize("page", PAGES)
def test_commands_parse(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in commands(page):
        for word in words[1:]:
            make_input(word)
        build_parser().parse_args(words)


def make_input(word: str) -> None:
    """Make a file or a folder of factors of that name; the parser checks that inputs exist."""
    name = word.split("=")[-1]
    if re.fullmatch(r"[\w-]+\.(pkl|npy|jpg|json|pth|safetensors)", name):
        Path(name).touch()
    elif re.fullmatch(r"faces[\w-]*|layer5|me", name):
        Path(name).mkdir(exist_ok=True)


@pytest.mark.parametrize("page", PAGES)
def test_verbs_in_the_text_exist(page, capsys):
    text = (ROOT / page).read_text(encoding="utf-8")
    for verb in set(re.findall(r"`panda\s([a-z]+)[\s`]", text)):
        with pytest.raises(SystemExit) as end:
            build_parser().parse_args([verb, "--help"])
        assert end.value.code == 0, verb


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page):
    folders = "panda|plugins|tests|benchmarks|training|examples|docs|third_party"
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(rf"(?<![\w/.-])(?:{folders})/[\w/.*-]*[\w*]", text):
        assert list(ROOT.glob(path)), path


@pytest.mark.parametrize("page", sorted(set(PAGES) - CHANGED_SINCE))
def test_modules_and_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in set(re.findall(r"\b(?:panda|training)(?:\.[A-Za-z]\w*)+", text)):
        if not (ROOT / name).exists():  # panda.something is a name, not a file's
            assert resolve(name) is not None, name


def resolve(name: str) -> object:
    """Import the longest module of a dotted name and look up the rest."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[count:], module)
    raise AssertionError(f"{name} cannot be imported")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in links(page):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = ROOT / page if not path else (ROOT / page).parent / path
            assert target.is_file(), link
            headings = re.findall(r"^#+ (.*)$", target.read_text(errors="ignore"), re.MULTILINE)
            slugs = [re.sub(r"[^\w-]+", "-", heading.lower()) for heading in headings]
            assert not anchor or anchor in slugs, link


def test_every_check_is_explained():
    explained = re.findall(r"^\| `(\w+)` \| ", (ROOT / "docs" / "contract.md").read_text(), re.M)
    assert set(CHECKS) <= set(explained)


def test_the_table_of_rooms_is_that_of_the_house():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## The rooms")[1].split("Outside the core:")[0]
    rows = re.findall(r"^\| (`panda/.*?) \|", table, re.MULTILINE)
    rooms = [
        {re.sub(r"^panda/|/$|\.py$", "", name) for name in re.findall(r"`(.*?)`", row)}
        for row in rows
    ]
    assert rooms == FLOORS


def test_commands_are_read_from_the_pages():
    assert sum(len(commands(page)) for page in PAGES) > 40
    assert ["demo"] in commands("README.md")
    (run, published) = commands("docs/benchmarks.md")[:2]
    assert run[-2:] == ["--out", "locality"] and "#" not in published


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_is_left_to_be_filled_in(page):
    assert not re.findall(r"@[a-z]+@", (ROOT / page).read_text(encoding="utf-8"))


def test_the_figures_of_the_study_are_means_of_its_rows():
    """Each IoU of the table to cite is that of its generator, layer and kind in the CSV."""
    with (ROOT / "docs" / "study.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| ([\w-]+) \| (column|axis), ([\w.]+) \| (-?\d\.\d\d) \[", text, re.M)
    names = {row["generator"] for row in rows}
    assert {name for name, *_ in found} == names and len(found) >= 2 * len(names)
    for name, kind, layer, shown in found[: 2 * len(names)]:
        of = [
            row
            for row in rows
            if (row["generator"], row["layer"], row["method"]) == (name, layer, kind)
        ]
        figures = [float(row["iou"] or row["contrast"]) for row in of]
        assert len(figures) == 5
        assert sum(figures) / len(figures) == pytest.approx(float(shown), abs=0.006), name
