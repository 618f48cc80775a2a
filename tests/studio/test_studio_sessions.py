"""A session of the studio: its part, sample, views, thumbnails and photograph."""

import pytest
import torch
from conftest import MINI
from PIL import Image

from panda import PandaError
from panda.editing.edits import REMOVE
from panda.inversion import Inversion
from panda.studio import exports, thumbnails, views
from panda.studio.app import Selection
from panda.studio.session import VIEWS, Origin, Session
from panda.studio.thumbnails import axes_of, make_naming_context, make_thumbnails, name_thumbnails
from panda.weights import ModelWeights


def test_a_click_chooses_the_strongest_part_at_its_place(session):
    masks = session.canvas.factors.masks
    side = masks.shape[-1]
    for row, column in ((2, 8), (8, 8), (12, 8), (14, 1)):
        part = session.pick((column + 0.5) / side, (row + 0.5) / side)
        weights = masks[:, row, column]
        assert weights[part] >= weights.max() - 0.1  # maps are enlarged smoothly
        assert session.part == part == int(session.labels[row * 16 + 8, column * 16 + 8])
    assert session.pick(1.0, 1.0) == int(session.labels[-1, -1])
    with pytest.raises(PandaError, match="there is no part 16; there are 0 to 15"):
        session.choose(16)


def test_another_sample_keeps_the_edits_and_other_factors_do_not(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    after = session.after
    studio.open(Selection(MINI, seed=4), session)
    assert len(session.stack.steps) == 1 and str(session.origin) == "seed-4"
    assert not torch.equal(session.after, after)
    studio.open(Selection(MINI, factors="4 parts", seed=None), session)
    assert str(session.origin) == "seed-4" and session.part is None
    assert not session.stack.steps and torch.equal(session.after, session.canvas.before)


def test_edits_wait_for_their_factors_and_are_back_with_them(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    session.change(session.stack.set_strength(2.5))
    steps, after = session.stack.steps, session.after
    assert views.stack(session)["waiting"] == ""
    studio.open(Selection(MINI, factors="4 parts", seed=None), session)
    layer = session.canvas.factors.layer.name
    again = "choose these factors again to have them back."
    assert views.stack(session)["waiting"] == f"1 edit of 16 parts of {layer}: {again}"
    session.choose(0)
    session.add(REMOVE, "gone")
    session.choose(1)
    session.add(REMOVE, "gone too")
    studio.open(Selection(MINI, factors="16 parts", seed=None), session)
    assert session.stack.steps == steps and torch.equal(session.after, after)
    assert views.stack(session)["waiting"] == f"2 edits of 4 parts of {layer}: {again}"
    session.undo()
    assert session.stack.steps[0].edit.strength == 4.0
    studio.open(Selection(MINI, factors="4 parts", seed=7), session)
    assert [step.edit.parts for step in session.stack.steps] == [(0,), (1,)]


def test_a_failure_leaves_the_session_as_it_was(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    canvas, steps = session.canvas, session.stack.steps
    for selection, message in (
        (Selection("nothing"), "'nothing' is not among the generators"),
        (Selection(MINI, layer="99.conv"), "has no layer '99.conv'"),
        (Selection(MINI, factors="5 parts"), "factors '5 parts': expected one of 4 parts, 8 parts"),
        (Selection(MINI, seed=-1), "seed -1 is not a whole number"),
        (Selection(MINI, label=3), "has no classes"),
    ):
        with pytest.raises(PandaError, match=message):
            studio.open(selection, session)
    with pytest.raises(PandaError, match="there is no view 'Upside down'"):
        session.show("Upside down")
    assert session.canvas is canvas and session.stack.steps == steps


def test_an_image_that_comes_out_nan_is_refused(canvas):
    session = Session(canvas, Origin(3))
    session.choose(0)
    session.add("p0", "x")
    canvas.generator.tail = lambda state, layer: state.x[:, :3] * float("nan")
    with pytest.raises(PandaError, match="came out NaN; the strength is too large"):
        _ = session.after


def test_refining_changes_where_parts_are_and_back(session):
    before = session.labels
    session.refine(True)
    assert not torch.equal(session.labels, before)
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    refined = session.after
    session.refine(False)
    assert torch.equal(session.labels, before) and not torch.equal(session.after, refined)


def test_thumbnails_show_a_part_and_are_named_by_what_changes(canvas):
    made = make_thumbnails(canvas, 1, axes_of(canvas, 1))
    assert len(made) == 8 and made[0].picture.size == (144, 144)
    assert all(thumbnail.impact.inside > 0 for thumbnail in made)
    context = make_naming_context(canvas.generator, canvas.factors, None)
    named = name_thumbnails(canvas, 1, made, context)
    assert any("brightness" in shown.name or "warmth" in shown.name for shown in named)
    assert {shown.appearance for shown in named} == {f"p{k}" for k in range(8)}


def test_thumbnails_that_break_the_picture_come_last_and_are_marked(canvas, monkeypatch):
    first, second = make_thumbnails(canvas, 1, ["p0", "p1"])
    context = make_naming_context(canvas.generator, canvas.factors, None)
    monkeypatch.setattr(
        thumbnails, "breaks", lambda realism, image, *_: torch.equal(image[0], first.image)
    )
    assert context.realism[1].count == thumbnails.SAMPLES
    named = name_thumbnails(canvas, 1, [first, second], context)
    assert [shown.appearance for shown in named] == ["p1", "p0"]
    session = Session(canvas, Origin(3))
    session.choose(1)
    cards = views.gallery(session, ["a", "b", "c", "d"], named)["cards"]
    assert [card["broken"] for card in cards] == [False, True]


def test_views_are_pictures_of_the_right_size(session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    names = [f"part {k}" for k in range(8)]
    for view in VIEWS:
        session.show(view)
        shown = views.stage(session, names)
        assert shown["before"] != shown["after"]
        assert bool(shown["overlay"]) == (view in ("Difference", "Heat map", "Parts"))
    assert views.strength(session)["value"] == 4.0
    assert views.stack(session)["rows"][0]["text"] == str(session.stack.step.edit)
    session.add(REMOVE, "gone")
    slider = views.strength(session)
    assert (slider["minimum"], slider["value"], slider["maximum"]) == (0.0, 1.0, 1.0)


def test_a_photograph_is_edited_like_a_sample(studio, session, tmp_path, monkeypatch):
    file = tmp_path / "me.png"
    Image.new("RGB", (80, 80), "gray").save(file)
    with pytest.raises(PandaError, match="weights of LPIPS are not here; 'panda invert' fetches"):
        studio.open_photograph(session, file)
    generator = session.canvas.generator
    like = generator.sample([9], truncation=0.5)

    def inverted(given, photograph, align, progress):
        assert given is generator and photograph.name == "me.png" and align == "never"
        config = {"lpips": [0.25], "pixels": [0.125], "pictures": ["me.png"]}
        pictures = photograph.pixels[None, :3, :64, :64]
        return Inversion.of(given.name, like, pictures, given.forward(like), config)

    monkeypatch.setattr("panda.studio.app.invert", inverted)
    monkeypatch.setattr(ModelWeights, "cached", True)
    monkeypatch.setattr(type(studio.library), "has_face_mesh", False)
    session.choose(1)
    session.add("p0", "x")
    studio.open_photograph(session, file)
    torch.testing.assert_close(session.canvas.before, generator.forward(like))
    assert not torch.equal(session.after, session.canvas.before)
    assert "me.png (reconstruction: LPIPS 0.250, pixels 0.125; lower is closer)" in views.status(
        session
    )
    first, second = exports.command(session).splitlines()
    assert first == f"panda invert me.png --generator {MINI} --out inverted"
    assert "--latents inverted" in second and "--seeds" not in second
    studio.open(Selection(MINI, layer="8.conv1", seed=None), session)
    torch.testing.assert_close(session.canvas.before, generator.forward(like))

    def interrupted(*given, progress, **options):
        studio.open(Selection(MINI, seed=3), session)
        progress(1, 60, 0.5)

    monkeypatch.setattr("panda.studio.app.invert", interrupted)
    with pytest.raises(PandaError, match=r"me.png was given up, since another image was chosen"):
        studio.open_photograph(session, file)
    assert session.origin.seed == 3
    monkeypatch.setattr("panda.studio.app.invert", inverted)
    studio.open_photograph(session, file)
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(PandaError, match="no picture of a known kind"):
        studio.open_photograph(session, tmp_path / "words.png")
    assert session.origin.name == "me.png"
