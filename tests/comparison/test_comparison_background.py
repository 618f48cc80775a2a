"""Where `panda compare` finds the background, and what a removal of the object changes."""

import json
import re
from dataclasses import replace

import pytest
import torch
from comparing import BIGGAN, PROGAN, SMALL
from torch.nn import functional as F

from panda import PandaError
from panda.comparison import compare
from panda.comparison.background import measure_depths, measure_object_removal
from panda.comparison.report import write
from panda.comparison.results import Depth, GeneratorResult
from panda.comparison.tables import carrier
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.metrics.parsing import CLASSES


def test_a_planted_background_is_found_at_its_depth(tiny, monkeypatch):
    planted = torch.nn.functional.normalize(torch.randn(12), dim=0)
    real = tiny.head
    border = torch.ones(8, 8)
    border[2:, 2:6] = 0

    def with_background(latents, layer):
        state = real(latents, layer)
        if layer != "b":
            return state
        return state.with_features(state.x + 30 * planted[:, None, None] * border)

    monkeypatch.setattr(tiny, "head", with_background)

    def parse(images):
        inside = border.bool().repeat_interleave(8, 0).repeat_interleave(8, 1)
        return (
            torch.where(inside, 0, CLASSES.index("skin"))
            .to(torch.uint8)
            .expand(len(images), -1, -1)
        )

    plan = replace(SMALL, samples=64, sets=2)
    found = {one.layer: one for one in measure_depths(tiny, plan, parse)}
    assert found["b"].iou[0] > 0.85 > found["c"].iou[0]
    assert found["b"].share[0] > 0.5 and found["b"].contrast[0] > 0.9
    assert found["b"].selected > 0.85 > found["c"].selected
    assert found["b"].components[0] > 0.85 > found["c"].components[0]
    assert found["b"].components[0] >= found["b"].random[0] > found["c"].random[0]
    assert found["b"].constant[0] == 1  # it is in the same place in every image
    assert found["b"].verdict == "no better than a constant mask"


def test_the_layer_that_carries_background_is_chosen_on_other_samples_than_it_is_scored_on():
    facts = {"share": (0.5, 0.1), "contrast": (1.0, 0.1), "agreement": 0.9, "covered": 0.9}
    lucky = Depth("lucky", 8, selected=0.7, iou=(0.9, 0.1), **facts)
    chosen = Depth("chosen", 16, selected=0.8, iou=(0.8, 0.1), **facts)
    result = GeneratorResult("a", "a", None, "A", "d", (32, 32), True, (lucky, chosen), 1.0)
    assert carrier(result) == chosen


def test_removal_of_the_object_changes_it_more_than_the_rest(tiny):
    factors = fit(tiny, "b", parts=4, seeds=range(60))
    cleared = measure_object_removal(tiny, factors, SMALL, None)
    assert cleared.inside[0] > cleared.outside[0] > 0


def test_classes_of_one_generator_are_compared_on_a_page_of_background(tmp_path):
    name, small = "biggan-ajbrock/state_dict.safetensors", replace(SMALL, levels=(2,))
    given = [f"{BIGGAN}@0-2", BIGGAN, PROGAN]
    found = compare(given, tmp_path / "out", small)
    names = [f"{name}@0", f"{name}@1", f"{name}@2", name, "proggan-genforce/checkpoint.pth"]
    assert [one.name for one in found.generators] == names
    assert [one.label for one in found.generators] == [0, 1, 2, None, None]
    assert not found.failures
    for wrong, reason in (
        (f"{BIGGAN}@10000", f"{name}@10000 .* but 10000 was given"),
        (f"{PROGAN}@0", "checkpoint.pth@0 .* has no classes, but label 0"),
    ):
        with pytest.raises(PandaError, match=reason):
            compare([*given, wrong], tmp_path / "out", small)

    (similarity,) = found.similarities
    assert (similarity.generator, similarity.labels) == (BIGGAN, (0, 1, 2, None))
    places = [tmp_path / "out/generators" / one.entry.folder for one in found.generators]
    factors = [Factors.load(place / "level-2/factors") for place in places]
    assert [one.config["label"] for one in factors] == [0, 1, 2, None, None]
    cosine = F.cosine_similarity(factors[0].background, factors[1].background, dim=0)
    assert similarity.cosines[0][1] == pytest.approx(float(cosine), abs=1e-5)
    assert all(row[k] == pytest.approx(1) for k, row in enumerate(similarity.cosines))

    report = write(found, tmp_path / "out").read_text()
    page = (tmp_path / "out/background.html").read_text()
    title = f"Background of the classes of {name} at 1/2"
    for text in (report, page, (tmp_path / "out/results.md").read_text()):
        assert title in text and "Background at a glance" in text and f"{name}@2" in text
    assert "<th>all classes</th>" in page and "<svg" in page and "Matched" not in page
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    kept = json.loads((tmp_path / "out/results.json").read_text())
    assert kept["similarities"][0]["labels"] == [0, 1, 2, None]
    assert compare(given, tmp_path / "out", small) == found  # nothing is measured again

    file = places[1] / "level-2/factors/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"background": {"border": "none"}}))
    (without,) = compare(given, tmp_path / "out", small).similarities
    assert without.labels == (0, 2, None)


def test_generators_with_one_class_have_no_similarities(tmp_path):
    found = compare([f"{BIGGAN}@1"], tmp_path / "out", replace(SMALL, levels=(2,)))
    assert found.similarities == ()
    assert "Background of the classes" not in write(found, tmp_path / "out").read_text()
