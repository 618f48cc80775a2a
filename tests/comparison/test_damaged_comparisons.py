"""Files of a comparison that are damaged: a sentence that says what to do, or the same figures."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from comparing import BIGGAN, SMALL
from damage import damages, odd_values

from panda import PandaError
from panda.comparison import compare
from panda.comparison.report import write
from panda.comparison.store import ComparisonFolder
from panda.generators.entries import find_entries

GIVEN = f"{BIGGAN}@0-1"
PLAN = replace(SMALL, levels=(2,), samples=6)
FILES = [
    "plan.json",
    "generators/*@0/overview/figures.json",
    "generators/*@0/overview/sample-0.png",
    "generators/*@0/level-2/figures.json",
    "generators/*@0/level-2/maps.safetensors",
    "generators/*@0/level-2/part-1.png",
    "generators/*@0/level-2/change-1.png",
    "generators/*@0/level-2/background-0.png",
    "generators/*@0/level-2/factors/config.json",
    "generators/*@0/level-2/factors/factors.safetensors",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    write(compare(GIVEN, out, PLAN), out)
    return out


@pytest.mark.parametrize("pattern", FILES)
def test_damaged_files_are_a_sentence_or_a_failure(whole, tmp_path, pattern):
    (file,) = whole.glob(pattern)
    name, refused = file.relative_to(whole), 0
    for damaged in damages(file.read_bytes(), len(pattern)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "out")
        (tmp_path / "out" / name).write_bytes(damaged)
        try:
            comparison = compare(GIVEN, tmp_path / "out", PLAN)
            sentences = [failure.reason for failure in comparison.failures]
            write(comparison, tmp_path / "out")
        except PandaError as error:
            sentences = [str(error)]
        assert all(re.search("delete|choose another", sentence) for sentence in sentences)
        refused += len(sentences)
    assert refused > 3


def test_values_of_wrong_types_are_a_sentence_or_figures(whole):
    for pattern in ("generators/*@0/overview/figures.json", "generators/*@0/level-2/figures.json"):
        (file,) = whole.glob(pattern)
        content = file.read_text()
        entry, *_ = find_entries(f"{BIGGAN}@0")
        folder, refused = ComparisonFolder(whole, PLAN), 0
        for odd in odd_values(json.loads(content)):
            file.write_text(json.dumps(odd))
            try:
                folder.read(entry, PLAN)
            except PandaError as error:
                assert "delete" in str(error)
                refused += 1
        file.write_text(content)
        assert refused > 100
