"""Thumbnails of an image: each is made once, in one pass at a time, and never lost."""

import gc
import threading
import time
import weakref
from itertools import pairwise

import pytest
from conftest import unsettled

from panda.studio import galleries, views
from panda.studio.galleries import Galleries
from panda.studio.session import Canvas, Origin, Session
from panda.studio.thumbnails import axes_of, make_naming_context, make_thumbnails


@pytest.fixture
def made(monkeypatch, canvas):
    """The appearances that thumbnails are made of, in their order, one in each step."""
    made = []

    def make(canvas, part, axes, *, refined):
        made.extend((part, axis) for axis in axes)
        time.sleep(0.01)
        return make_thumbnails(canvas, part, axes, refined=refined)

    monkeypatch.setattr(galleries, "make_thumbnails", make)
    monkeypatch.setattr(type(canvas), "batch", 1)
    return made


def shown(thumbnails):
    return {thumbnail.appearance for thumbnail in thumbnails}


def test_a_gallery_grows_with_the_strongest_first_and_is_made_once(canvas, made):
    pages = Galleries()
    steps = list(pages.make(canvas, 1, False))
    assert [len(step) for step in steps] == list(range(1, 9))
    for step in steps:
        ranks = [thumbnail.impact.rank for thumbnail in step]
        assert ranks == sorted(ranks)
    assert pages.cached(canvas, 1, False) == (steps[-1], True)
    assert [*pages.make(canvas, 1, False)] == [steps[-1]] and len(made) == 8


def with_unstable(canvas, parts, axes):
    return Canvas(canvas.generator, unsettled(canvas.factors, parts, axes), canvas.latents)


@pytest.mark.verdict
def test_stable_parts_and_appearances_come_first_and_others_are_marked(canvas):
    shaky = with_unstable(canvas, [1], [0, 3])
    *_, made = Galleries().make(shaky, 1, False)
    assert [shown.impact.stable for shown in made] == [True] * 8
    assert not shown(made) & {"p0", "p3"}  # of twelve, eight stable ones are shown
    both = make_thumbnails(shaky, 1, ["p0", "p1", "p3"])
    assert [thumbnail.impact.stable for thumbnail in both] == [False, True, False]
    session = Session(shaky, Origin(3, 1.0))
    names = ["hair", "eyes", "nose", "mouth"]
    stage = views.stage(session, names)
    assert stage["order"] == [0, 2, 3, 1] and stage["unstable"] == [1]
    session.choose(1)
    gallery = views.gallery(session, names, both)
    assert gallery["title"] == "Part 1: eyes (unstable)"
    assert [card["unstable"] for card in gallery["cards"]] == [True, False, True]


@pytest.mark.verdict
def test_a_weak_stable_appearance_comes_before_a_strong_unstable_one(canvas):
    shaky = with_unstable(canvas, [], range(9))  # three are stable
    *_, made = Galleries().make(shaky, 1, False)
    assert [thumbnail.impact.stable for thumbnail in made] == [True] * 3 + [False] * 5
    assert min(t.impact.inside for t in made[:3]) < max(t.impact.inside for t in made[3:])


def test_two_passes_at_once_make_nothing_twice_and_never_go_back(canvas, made):
    pages, passes, errors = Galleries(), [], []

    def follow():
        try:
            passes.append(seen := [])
            for thumbnails in pages.make(canvas, 2, False):
                seen.append(shown(thumbnails))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert not errors and sorted(made) == [(2, axis) for axis in axes_of(canvas, 2)]
    assert all(before < after for seen in passes for before, after in pairwise(seen))
    assert len(passes[-1][-1]) == 8


def test_another_part_ends_the_pass_and_the_first_goes_on_where_it_was(canvas, made):
    pages = Galleries()
    first = pages.make(canvas, 0, False)
    next(first)
    next(first)
    second = pages.make(canvas, 3, False)
    next(second)
    assert list(first) == [] and made == [(0, "p0"), (0, "p1"), (3, "p0")]
    assert pages.cached(canvas, 0, False)[1] is False
    again = list(pages.make(canvas, 0, False))
    assert len(again[-1]) == 8 and made.count((0, "p0")) == 1 and list(second) == []


def test_names_stay_whoever_asks_again(canvas, made):
    pages = Galleries()
    context = make_naming_context(canvas.generator, canvas.factors, None)
    half = pages.make(canvas, 1, False)
    next(half)
    pages.name(canvas, 1, False, context)  # of a pass that is overtaken
    assert not any(thumbnail.name for thumbnail in pages.cached(canvas, 1, False)[0])
    for _ in half:
        pass
    pages.name(canvas, 1, False, context)
    named, _ = pages.cached(canvas, 1, False)
    assert all(thumbnail.name for thumbnail in named)
    assert [*pages.make(canvas, 1, False)] == [named]
    pages.name(canvas, 1, False, context)
    assert pages.cached(canvas, 1, False)[0] is named and len(made) == 8


def test_a_part_that_does_not_vary_is_complete_at_once(canvas, made):
    pages = Galleries()
    canvas.factors.own_spread[1] = 0
    assert [*pages.make(canvas, 1, False)] == [[]] and not made
    assert pages.cached(canvas, 1, False) == ([], True)


def test_an_image_that_nobody_shows_is_forgotten(canvas, made):
    from panda.studio.session import Canvas

    pages = Galleries()
    other = Canvas(canvas.generator, canvas.factors, canvas.latents)
    next(pages.make(other, 1, False))
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
