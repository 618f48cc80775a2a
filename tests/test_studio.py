"""The studio without its page: sessions, stacks, thumbnails, exports, other generators."""

import io
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TinyGenerator
from PIL import Image

from panda import PandaError, kept
from panda.cli import main
from panda.edit import REMOVE, Edit, apply_edits, direction, edit_images
from panda.edit_zoo import read_zoo
from panda.factorize import fit
from panda.inversion import Inversion
from panda.latent_spaces import WSpace
from panda.progress import bar, watched
from panda.registry import create_generator, list_generators
from panda.remove import remove_images
from panda.studio import exports, views
from panda.studio.across import Matcher, compare_edits, layer_like
from panda.studio.actions import Choice, Studio
from panda.studio.library import Library
from panda.studio.session import VIEWS, Canvas, Origin, Session, usual_layer
from panda.studio.shared import Shared, share
from panda.studio.stack import History, Stack, Step
from panda.studio.thumbnails import make_guide, name_thumbnails, thumbnails
from panda.zoo import ModelWeights

MINI = "mini-stylegan2-faces-64"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of its own, whose factors are fitted to few samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANDA_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(kept, "SEEDS", "0-63")
        patch.setattr(kept.fit_kept, "__kwdefaults__", {**DEFAULTS, "seeds": "0-63"})
        yield


DEFAULTS = kept.fit_kept.__kwdefaults__


@pytest.fixture(scope="module")
def studio(cache):
    return Studio(Library([MINI]))


@pytest.fixture
def session(studio):
    return studio.open(Choice(MINI))


class Counting(TinyGenerator):
    heads = tails = 0

    def head(self, latents, layer):
        self.heads += 1
        return super().head(latents, layer)

    def tail(self, state, layer):
        self.tails += 1
        return super().tail(state, layer)


@pytest.fixture
def canvas():
    generator = Counting()
    factors = fit(generator, "b", parts=4, seeds=range(60))
    generator.heads = generator.tails = 0
    return Canvas(generator, factors, generator.sample([3]))


def step(text, name="edit"):
    return Step(Edit.parse(text), name)


def test_a_stack_grows_switches_moves_and_shrinks():
    stack = Stack().add(step("0:p0:4sd")).add(step("1:p1:2sd")).add(step("2:remove:1.2"))
    assert (len(stack.steps), stack.chosen) == (3, 2)
    assert stack.add(step("1:p1:9sd")).chosen == 1
    assert len(stack.add(step("1:p1:9sd")).steps) == 3
    assert [str(e) for e in stack.toggle(1).edits] == ["0:p0:4sd", "2:remove:1.2"]
    moved = stack.move(2, -1)
    assert [str(e) for e in moved.edits] == ["0:p0:4sd", "2:remove:1.2", "1:p1:2sd"]
    assert moved.chosen == 1 and moved.move(0, -1).steps == moved.steps
    dropped = moved.drop(0)
    assert dropped.chosen == 0 and dropped.drop(0).chosen is None
    with pytest.raises(PandaError, match="there is no edit 4; the stack has 3"):
        stack.toggle(3)
    with pytest.raises(PandaError, match="no edit is chosen"):
        Stack().set_strength(1.0)


def test_undo_takes_a_whole_drag_back_and_redo_makes_it_again():
    history = History()
    history.change(history.stack.add(step("0:p0:4sd")))
    for strength in (4.1, 4.2, 5.0):
        history.change(history.stack.set_strength(strength))
    history.change(history.stack.toggle(0))
    assert history.undo() and history.stack.steps[0].on
    assert history.stack.steps[0].edit.strength == 5.0
    assert history.undo() and history.stack.steps[0].edit.strength == 4.0
    assert history.redo() and history.stack.steps[0].edit.strength == 5.0
    assert history.undo() and history.undo() and not history.stack.steps
    assert not history.undo()
    history.change(history.stack.add(step("1:p0:4sd")))
    assert not history.redo()


def test_an_edit_runs_the_tail_alone_and_gives_the_usual_image(canvas):
    edits = [Edit((0,), "p0", 3.0, True), Edit((1,), REMOVE, 1.2)]
    images = [canvas.images([edits[:k]])[0] for k in (0, 1, 2)]
    assert (canvas.generator.heads, canvas.generator.tails) == (1, 3)
    for k, image in enumerate(images):
        expected = edit_images(canvas.generator, canvas.factors, canvas.latents, edits[:k])
        torch.testing.assert_close(image, expected[0])
    together = canvas.images([edits[:0], edits[:1], edits])
    torch.testing.assert_close(together, torch.stack(images), atol=1e-5, rtol=1e-5)


def test_a_removal_in_a_stack_is_that_of_remove_and_its_order_counts(canvas):
    removal, added = Edit((1,), REMOVE, 1.2), Edit((1,), "p0", 6.0, True)
    expected = remove_images(canvas.generator, canvas.factors, canvas.latents, [1])
    torch.testing.assert_close(canvas.images([[removal]]), expected)
    one, other = canvas.images([[removal, added], [added, removal]])
    assert (one - other).abs().max() > 1e-3
    with pytest.raises(PandaError, match="no standard deviations"):
        canvas.images([[Edit((1,), REMOVE, 1.2, True)]])
    with pytest.raises(PandaError, match="parts 0 to 3"):
        canvas.images([[Edit((9,), REMOVE, 1.2)]])
    with pytest.raises(PandaError, match="appearance 'remove'"):
        direction(canvas.factors, [removal])


def test_edits_one_after_the_other_are_their_sum(canvas):
    x = canvas.state().x
    edits = [Edit((0,), 3, 20.0), Edit((2,), "bg", 1.0)]
    torch.testing.assert_close(
        apply_edits(canvas.factors, x, edits), x + direction(canvas.factors, edits)
    )


@pytest.mark.parametrize("text", ["3:12:30", "3+5:0:-40", "3:p0:2.5sd", "1:bg:1.2", "0:remove:1.2"])
def test_an_edit_is_written_as_it_is_read(text):
    assert str(Edit.parse(text)) == text


def test_a_click_chooses_the_part_that_weighs_most_there(session):
    masks = session.canvas.factors.masks
    side = masks.shape[-1]
    for row, column in ((2, 8), (8, 8), (12, 8), (14, 1)):
        part = session.pick((column + 0.5) / side, (row + 0.5) / side)
        here = masks[:, row, column]
        assert here[part] >= here.max() - 0.1  # maps are enlarged smoothly
        assert session.part == part == int(session.labels[row * 16 + 8, column * 16 + 8])
    assert session.pick(1.0, 1.0) == int(session.labels[-1, -1])
    with pytest.raises(PandaError, match="there is no part 8; there are 0 to 7"):
        session.choose(8)


def test_another_sample_keeps_the_edits_and_other_factors_do_not(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    after = session.after
    studio.open(Choice(MINI, seed=4), session)
    assert len(session.stack.steps) == 1 and str(session.origin) == "seed-4"
    assert not torch.equal(session.after, after)
    studio.open(Choice(MINI, factors="4 parts", seed=None), session)
    assert str(session.origin) == "seed-4" and session.part is None
    assert not session.stack.steps and torch.equal(session.after, session.canvas.before)


def test_what_fails_leaves_the_session_as_it_was(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    canvas, steps = session.canvas, session.stack.steps
    for choice, said in (
        (Choice("nothing"), "'nothing' is not among the generators"),
        (Choice(MINI, layer="99.conv"), "has no layer '99.conv'"),
        (Choice(MINI, factors="5 parts"), "factors '5 parts': expected one of 4 parts, 8 parts"),
        (Choice(MINI, seed=-1), "seed -1 is not a whole number"),
        (Choice(MINI, label=3), "has no classes"),
    ):
        with pytest.raises(PandaError, match=said):
            studio.open(choice, session)
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


def test_thumbnails_come_strongest_first_and_are_named_by_what_changes(canvas):
    steps = list(thumbnails(canvas, 1))
    effects = [one.effect for one in steps[-1]]
    assert effects == sorted(effects, reverse=True) and effects[0] > 0
    assert len(effects) == 8 and steps[-1][0].picture.size == (144, 144)
    guide = make_guide(canvas.generator, canvas.factors, None)
    named = name_thumbnails(canvas, 1, steps[-1], guide)
    assert any("brightness" in one.name or "warmth" in one.name for one in named)
    assert {one.appearance for one in named} == {f"p{k}" for k in range(8)}


def test_thumbnails_of_a_session_are_made_once(studio, session):
    (first,) = studio.thumbnails(session.canvas, 2, False)
    (again,) = studio.thumbnails(session.canvas, 2, False)
    assert first is again
    assert studio.names(session.canvas) == [str(name) for name in studio.names(session.canvas)]
    named = studio.name(session.canvas, 2, False)
    assert all(one.name for one in named) and studio.name(session.canvas, 2, False) is named


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
    assert (slider["minimum"], slider["value"], slider["maximum"]) == (0.0, 1.2, 2.4)


def test_an_exported_edit_makes_the_exported_picture_from_the_shell(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    session.pick(0.5, 0.1)
    session.add(REMOVE, "hair")
    session.refine(True)
    edit, picture = exports.export_edit(session), exports.export_picture(session)
    (tmp_path / edit.name).write_bytes(edit.data)
    (named,) = read_zoo(tmp_path / edit.name).values()
    assert named.generator == MINI and named.seeds == "0-63" and len(named.edits) == 2
    command = exports.command(session)
    assert main(command.split()[1:]) == 0
    made, wanted = (
        np.asarray(Image.open(source), dtype=int)
        for source in (tmp_path / "edited" / "0000.png", io.BytesIO(picture.data))
    )
    assert made.shape == (64, 64, 3) and abs(made - wanted).max() <= 1


def test_an_edit_that_does_not_say_of_which_factors_needs_them(tmp_path, capsys):
    assert main(["edit", "--edit", "0:p0:4sd", "--out", str(tmp_path / "out")]) == 2
    assert "0:p0:4sd does not say of which factors" in capsys.readouterr().err
    assert main(["edit", "--edit", "big_eyes", "--out", str(tmp_path / "out")]) == 2
    assert "edit 'big_eyes' does not tell how its factors were made" in capsys.readouterr().err


def test_an_edit_is_refused_by_factors_of_other_seeds(session, tmp_path, capsys):
    session.choose(0)
    session.add("p0", "x")
    edit = exports.export_edit(session)
    (tmp_path / "edit.json").write_bytes(edit.data)
    other = fit(create_generator(MINI), session.canvas.factors.layer.name, seeds=range(20))
    other.save(tmp_path / "other")
    words = ["edit", str(tmp_path / "other"), "--edit", str(tmp_path / "edit.json")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "fitted on seeds 0-63, but these are of seeds 0-19" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_a_sweep_goes_there_and_back(session, suffix):
    session.pick(0.5, 0.7)
    with pytest.raises(PandaError, match="no edit is chosen that could be swept"):
        exports.export_sweep(session, suffix)
    session.add("p0", "mouth")
    shares = []
    made = exports.export_sweep(session, suffix, shares.append)
    assert shares[-1] == 1.0 and made.name.endswith(suffix)
    with Image.open(io.BytesIO(made.data)) as animation:
        assert animation.n_frames == 2 * exports.FRAMES - 2 and animation.size == (64, 64)
        animation.seek(exports.FRAMES - 1)
        last = np.asarray(animation.convert("RGB"), dtype=float)
    wanted = np.asarray(Image.open(io.BytesIO(exports.export_picture(session).data)), dtype=float)
    assert abs(last - wanted).mean() < 6  # both formats are lossy
    with pytest.raises(PandaError, match="animations are webp or gif"):
        exports.export_sweep(session, "avi")
    session.change(session.stack.toggle(0))
    with pytest.raises(PandaError, match="there is no edit to export"):
        exports.export_edit(session)


def test_a_matcher_finds_an_edit_again_in_its_own_generator(canvas):
    matcher = Matcher(canvas.generator, canvas.factors)
    edit = Edit((2,), "p1", 3.0, True)
    found = matcher.match(edit, canvas.generator, canvas.factors)
    assert found.edit == edit and found.part == pytest.approx(1) == found.appearance
    turned = replace(canvas.factors, own=-canvas.factors.own)
    assert matcher.match(edit, canvas.generator, turned).edit.strength == -3.0
    side = compare_edits(
        matcher, [edit, Edit((0,), REMOVE, 1.2)], canvas.generator, canvas.factors, 1
    )
    assert side.before.size == side.after.size == (320, 320) and len(side.matches) == 2
    with pytest.raises(PandaError, match="no part's own appearance"):
        matcher.match(Edit((2,), 5, 3.0), canvas.generator, canvas.factors)


def test_comparing_shows_ones_own_generator_as_it_is_on_the_stage(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    session.refine(True)
    (side,) = studio.compare(session, [MINI])
    wanted = np.asarray(
        Image.open(io.BytesIO(exports.export_picture(session).data)).resize((320, 320))
    )
    assert np.abs(np.asarray(side.after, dtype=float) - wanted).mean() < 2
    assert side.sample == str(session.origin) and side.matches[0].part == 1


def test_comparing_tells_what_fails_and_goes_on(studio, session):
    with pytest.raises(PandaError, match="there is no edit to compare"):
        next(studio.compare(session, [MINI]))
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    failed, side = studio.compare(session, ["nothing", MINI])
    assert isinstance(failed, PandaError) and side.generator == MINI
    page = views.sides([PandaError("<script>"), side])
    assert "&lt;script&gt;" in page and page.count("<img") == 2


def test_layers_are_chosen_by_their_positions(tiny):
    assert usual_layer(tiny).name == "c"
    assert layer_like(create_generator(MINI), tiny.layers["b"]).height == 8


def test_a_library_offers_what_is_here_and_loads_each_once(cache, monkeypatch, tmp_path):
    library = Library()
    assert MINI in library.names and "stylegan2-ffhq-1024" not in library.names
    assert set(library.names) < set(list_generators())
    with pytest.raises(PandaError, match="weights of stylegan2-ffhq-1024 are not here; run 'panda"):
        Library(["stylegan2-ffhq-1024"])
    with pytest.raises(PandaError, match="holds no factors"):
        Library(factors=[tmp_path])
    made = []

    def create(name, device):
        made.append(name)
        return TinyGenerator()

    monkeypatch.setattr("panda.studio.library.create_generator", create)
    threads = [threading.Thread(target=library.generator, args=(MINI,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [MINI]


def test_factors_that_were_given_come_first(studio, tmp_path, cache):
    generator = create_generator(MINI)
    fit(generator, "8.conv1", parts=3, seeds=range(20)).save(tmp_path / "mine")
    other = Studio(Library([MINI], [tmp_path / "mine"]))
    choice = other.resolve(Choice(MINI))
    assert (choice.layer, choice.factors) == ("8.conv1", str(tmp_path / "mine"))
    session = other.open(choice)
    assert session.canvas.factors.parts.shape[1] == 3
    assert "seed-0" in views.status(session) and not studio.library.given


def test_a_shared_generator_is_the_same_with_its_latent_space(tiny):
    own = create_generator(MINI)
    shared = share(own)
    assert isinstance(shared, WSpace) and shared.slots == own.slots
    latents = shared.sample([1])
    assert torch.equal(shared.forward(latents), own.forward(latents))
    assert torch.equal(shared.w_plus(latents), own.w_plus(latents))
    assert type(share(tiny)) is Shared
    shared.lock.acquire()
    blocked = threading.Thread(target=shared.forward, args=(latents,))
    blocked.start()
    blocked.join(0.05)
    assert blocked.is_alive()
    shared.lock.release()
    blocked.join()


def test_kept_factors_are_fitted_once_and_again_where_they_are_damaged(cache, tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(kept, "fit", lambda *a, **k: calls.append(a) or fit(*a, **k))
    first = kept.fit_kept(tiny, "b", parts=3, seeds="0-9")
    assert first.seeds == "0-9" and torch.equal(
        kept.fit_kept(tiny, "b", parts=3, seeds="0-9").parts, first.parts
    )
    assert len(calls) == 1
    folder = kept.kept_folder("tiny", "b", 3, 12, "0-9")
    (folder / "factors.safetensors").write_bytes(b"damaged")
    assert torch.equal(kept.fit_kept(tiny, "b", parts=3, seeds="0-9").parts, first.parts)
    assert len(calls) == 2


def test_factors_of_a_file_are_kept_apart_when_it_changes(cache, tmp_path):
    file = tmp_path / "network.pkl"
    file.write_bytes(b"one")
    before = kept.kept_folder(str(file), "16.conv1", 8, 64)
    file.write_bytes(b"other")
    assert kept.kept_folder(str(file), "16.conv1", 8, 64) != before
    assert "network" in before.parent.name and "/" not in before.name


def test_a_fit_tells_its_steps_to_who_watches(tiny):
    told = []
    with watched(lambda *step: told.append(step)):
        fit(tiny, "a", parts=2, seeds=range(40))
    assert ("sample", 40, 40) in told and any(what.startswith("solve") for what, *_ in told)
    told.clear()
    assert list(bar([1, 2], desc="quiet")) == [1, 2] and not told
    with watched(lambda *step: told.append(step)):
        assert list(bar([1, 2], desc="loud")) == [1, 2]
    assert told == [("loud", 1, 2), ("loud", 2, 2)]


def test_json_that_is_exported_is_an_edit_zoo_for_people_too(session):
    session.choose(1)
    session.add("p2", "x")
    content = json.loads(exports.export_edit(session).data)
    assert content["format"] == 1 and content["edits"]["edit"]["edits"] == ["1:p2:4sd"]


def test_a_photograph_is_edited_like_a_sample(studio, session, tmp_path, monkeypatch):
    file = tmp_path / "me.png"
    Image.new("RGB", (80, 80), "gray").save(file)
    with pytest.raises(PandaError, match="LPIPS is not here yet; 'panda invert' fetches it"):
        studio.photograph(session, file)
    generator = session.canvas.generator
    like = generator.sample([9], truncation=0.5)

    def found(given, pictures, names, progress):
        assert given is generator and pictures.shape == (1, 3, 64, 64) and names == ["me.png"]
        config = {"lpips": [0.25], "pixels": [0.125], "pictures": names}
        return Inversion.of(given.name, like, pictures, given.forward(like), config)

    monkeypatch.setattr("panda.studio.actions.invert", found)
    monkeypatch.setattr(ModelWeights, "cached", True)
    monkeypatch.setattr(type(studio.library), "parses", False)
    session.choose(1)
    session.add("p0", "x")
    studio.photograph(session, file)
    torch.testing.assert_close(session.canvas.before, generator.forward(like))
    assert not torch.equal(session.after, session.canvas.before)
    assert "me.png found again with LPIPS 0.250, pixels 0.125" in views.status(session)
    first, second = exports.command(session).splitlines()
    assert first == f"panda invert me.png --generator {MINI} --out inverted"
    assert "--latents inverted" in second and "--seeds" not in second
    studio.open(Choice(MINI, layer="8.conv1", seed=None), session)
    torch.testing.assert_close(session.canvas.before, generator.forward(like))

    def interrupted(*given, progress, **options):
        studio.open(Choice(MINI, seed=3), session)
        progress(1, 60, 0.5)

    monkeypatch.setattr("panda.studio.actions.invert", interrupted)
    with pytest.raises(PandaError, match=r"me.png was given up, since another image was chosen"):
        studio.photograph(session, file)
    assert session.origin.seed == 3
    monkeypatch.setattr("panda.studio.actions.invert", found)
    studio.photograph(session, file)
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(PandaError, match="no picture of a known kind"):
        studio.photograph(session, tmp_path / "words.png")
    assert session.origin.name == "me.png"
