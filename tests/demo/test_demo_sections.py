"""Sections of the demo's report, on a small generator."""

import re

import pytest
from conftest import unsettled

from panda.demo import sections
from panda.demo.sections import LayerStudy
from panda.editing import named as finding
from panda.editing.edit_files import NamedEdit
from panda.factorization.fit import fit
from panda.report.page import Page


@pytest.mark.verdict
def test_stable_parts_and_axes_come_first_and_others_are_marked(tiny, tmp_path, monkeypatch):
    factors = unsettled(fit(tiny, "b", parts=3, seeds=range(16)), [0], range(1, 12))
    monkeypatch.setattr(sections, "object_parts", lambda factors: [0, 2])
    latents = tiny.sample([0])
    study = LayerStudy.make(tiny, factors, latents, tiny(latents))
    page = Page("demo", "")
    sections.parts(page, study, 1)
    sections.edits(page, study, 2)
    page.save(tmp_path / "page.html")
    words = re.findall("<figcaption>(.*?)</figcaption>", (tmp_path / "page.html").read_text())
    parts = [each for each in words if each.startswith("part")]
    order = ["part 1", "part 2", "part 0 (unstable)"]
    assert parts == [*order, *(each for each in order for _ in range(2))]  # a row for each axis
    axes = [re.sub(r" [+-].*", "", each) for each in words if each.startswith("p") and "sd" in each]
    assert axes == ["p0", "p0", "p1 (unstable)", "p1 (unstable)"] * 3
    assert study.object_parts() == [2, 0]


def test_what_breaks_the_picture_comes_last_and_is_marked(tiny, tmp_path, monkeypatch):
    factors = fit(tiny, "b", parts=2, seeds=range(16))
    verdicts = iter([True, True, False, False] * 2)  # both directions of p0, then of p1, twice
    monkeypatch.setattr(sections, "breaks", lambda realism, images: next(verdicts))
    latents = tiny.sample([0, 1])
    study = LayerStudy.make(tiny, factors, latents, tiny(latents))
    page = Page("demo", "")
    sections.edits(page, study, 2)
    page.save(tmp_path / "page.html")
    words = re.findall("<figcaption>(p[01].*?)</figcaption>", (tmp_path / "page.html").read_text())
    assert [each[:2] for each in words] == ["p1", "p1", "p0", "p0"] * 2
    assert ["(breaks the picture)" in each for each in words] == [False, False, True, True] * 2
    assert not any(shown.broken for shown in sections._strongest(study).values())


def test_the_overview_shows_the_cleanest_edits_by_name_each_somewhere_else(tiny, monkeypatch):
    factors = fit(tiny, "b", parts=4, seeds=range(16))
    zoo = {
        name: NamedEdit("tiny", "b", 12, 4, (f"{part}:p0:{strength}sd",), effect="as it says")
        for name, part, strength in (("faint", 0, 1), ("large", 0, 9), ("other", 2, 4))
    }
    other = NamedEdit("another", "b", 12, 4, ("0:p0:1sd",))
    monkeypatch.setattr(sections, "named_edits", lambda generator: {**zoo, "foreign": other})
    monkeypatch.setattr(sections, "factors_of", lambda name, edit, generator: factors)
    monkeypatch.setattr(finding, "named_edits", lambda generator: zoo)
    latents = tiny.sample([0, 1])
    study = LayerStudy.make(tiny, factors, latents, tiny(latents))
    found = sections.named(Page("demo", ""), study, 2)
    assert [each.name for each in found] == ["faint", "large", "other"]
    assert [each.parts for each in found] == [(0,), (0,), (2,)]
    assert found[1].impact.inside > 2 * found[0].impact.inside > 0
    picture = sections.overview(study, found, 1)
    shown = round(picture.size[0] / sections.SIZE)
    assert shown == 6  # sample, parts, two edits, removal, map
