"""Files of a benchmark that are damaged: a sentence that says what to do, or the same figures."""

import json
import re
import shutil
import warnings

import pytest
from damage import damages, odd_values
from golden_files import FOLDER

from panda import PandaError, create_generator
from panda.evaluation import locality, results
from panda.evaluation.settings import LocalitySettings

METHODS = (
    "sefa:components=2",
    "stylespace:images=1:samples=5:probes=1:channels=2",
    "panda:layers=8.conv1@2:samples=4:appearances=1",
)

SETTINGS = LocalitySettings(
    "x", "eyes", 2, METHODS, target=0.05, select=1, shortlist=1, parse=0, effects=True
)


@pytest.fixture(scope="module")
def generator():
    return create_generator(FOLDER / "stylegan2-genforce/checkpoint.pth")


def report(generator, out):
    """What `panda benchmark locality` does, on one face."""
    benchmark = locality.prepare(generator, SETTINGS, out, pictures=1)
    locality.run(benchmark)
    return results.write(benchmark).with_name("results.md").read_text()


@pytest.fixture(scope="module", autouse=True)
def no_weights():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locality, "LPIPS", lambda device: lambda a, b: (b - a).abs().mean(1))
        patch.setattr(
            locality, "InceptionFeatures", lambda device: lambda x: x.flatten(1)[:, :2048]
        )
        yield


@pytest.fixture(scope="module")
def folder(generator, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    report(generator, out)
    return out


FILES = [
    "plan.json",
    "methods/*/choices.json",
    "methods/sefa/directions.safetensors",
    "methods/panda/factors-*/config.json",
    "methods/panda/factors-*/factors.safetensors",
    "rows/sefa/eyes.*.jsonl",
    "rows/*.features",
    "pictures/eyes/sefa/*.png",
]


@pytest.mark.parametrize("pattern", FILES)
def test_damaged_files_are_a_sentence_or_made_again(generator, folder, tmp_path, pattern):
    names = [file.relative_to(folder) for file in sorted(folder.glob(pattern))]
    assert names
    for name in names:
        refused = 0
        for damaged in damages((folder / name).read_bytes(), len(pattern)):
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            shutil.copytree(folder, tmp_path / "out")
            (tmp_path / "out" / name).write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    report(generator, tmp_path / "out")
                except PandaError as error:
                    assert re.search("delete|choose another|rename", str(error)), error
                    refused += 1
        assert refused > 2 or name.suffix == ".features", name


@pytest.mark.parametrize("method", ["sefa", "stylespace", "panda"])
def test_values_of_wrong_types_are_a_sentence_or_make_the_tables(
    generator, folder, tmp_path, method, monkeypatch
):
    monkeypatch.setattr(results, "set_distance", lambda *sets: 0.0)  # slow, and of no JSON
    shutil.copytree(folder, tmp_path / "out")
    benchmark = locality.prepare(generator, SETTINGS, tmp_path / "out", pictures=1)
    (rows,) = (tmp_path / "out" / "rows" / method).glob("*.jsonl")
    for file in (tmp_path / "out" / "methods" / method / "choices.json", rows):
        whole = file.read_text()
        refused = 0
        for odd in odd_values(json.loads(whole.splitlines()[0] if file is rows else whole)):
            file.write_text(json.dumps(odd) + "\n")
            try:
                results.markdown(results.summarize(benchmark))
            except PandaError as error:
                assert "delete" in str(error)
                refused += 1
        assert refused > 20
        file.write_text(whole)
