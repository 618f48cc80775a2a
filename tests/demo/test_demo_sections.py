"""Sections of the demo's report, on a small generator."""

import re
from dataclasses import replace

import pytest
from conftest import unsettled

from panda.demo import sections
from panda.demo.sections import LayerStudy
from panda.editing import named as finding
from panda.editing.edit_files import NamedEdit
from panda.editing.edits import Edit
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


def test_an_edit_that_changes_most_of_the_range_is_shown_weaker(tiny, monkeypatch):
    factors = fit(tiny, "b", parts=2, seeds=range(16))
    latents = tiny.sample([0])
    study = LayerStudy.make(tiny, factors, latents, tiny(latents))
    strong, _ = sections._apply(study, 0, Edit((0,), "p0", sections.SIGMAS, True))
    monkeypatch.setattr(sections, "MOST", strong.inside / 2)
    monkeypatch.setattr(sections, "VISIBLE", 0)
    shown, _ = sections._visible(study, 0, strong.edit)
    assert shown.edit.strength == pytest.approx(sections.SIGMAS / 2)
    assert shown.inside < strong.inside


def test_removal_says_how_far_its_colors_are_off_or_why_nothing_is_removed(tiny, tmp_path):
    factors = fit(tiny, "b", parts=2, seeds=range(16))
    latents = tiny.sample([0])
    for name, border in (("found", "top"), ("none", "none")):
        facts = {**factors.config, "background": {"border": border}}
        study = LayerStudy.make(tiny, replace(factors, config=facts), latents, tiny(latents))
        page = Page("demo", "")
        sections.removal(page, study, 1)
        page.save(tmp_path / f"{name}.html")
    said = [(tmp_path / f"{name}.html").read_text() for name in ("found", "none")]
    assert re.search(r"without the object(, \d+ off)?</figcaption>", said[0])
    assert "without the object" not in said[1] and "No background was found" in said[1]


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
