"""The handlers of the page's events, called as gradio calls them, without a browser."""

from types import SimpleNamespace

import pytest
from conftest import MINI

gradio = pytest.importorskip("gradio", reason="the extra 'studio' is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # for gradio's own code


@pytest.fixture
def messages(monkeypatch):
    """Return the error messages that the page shows."""
    shown = []
    monkeypatch.setattr(gradio, "Warning", lambda text, title: shown.append(text))
    return shown


@pytest.fixture
def opened(studio):
    """Open the generator as the page does when it loads; return all values of its components."""
    from panda.studio.selecting import SelectionHandlers

    return SelectionHandlers(studio).open_generator(None, MINI, 0, None)


def test_an_edit_from_opening_to_export(studio, opened, messages):
    from panda.studio.editing import EditingHandlers

    editing, session = EditingHandlers(studio), opened[0]
    stage, gallery, *_ = editing.pick(session, SimpleNamespace(x=0.5, y=0.7))
    assert stage["part"] == session.part and gallery["busy"]
    *_, gallery = editing.thumbnails(session)
    assert len(gallery["cards"]) == 8 and not gallery["busy"]
    _, gallery = editing.names(session)
    edited = editing.take(session, SimpleNamespace(appearance="p0"))
    (row,) = edited[2]["rows"]
    first_word = next(c["name"] for c in gallery["cards"] if c["appearance"] == "p0").split(",")[0]
    assert row["name"].endswith(first_word or "p0")
    assert edited[-1].startswith("panda edit --edit")
    assert editing.slide(session, 2.0)[1]["rows"][0]["strength"] == "+2.0 sd"
    assert editing.export_picture(session)["name"].endswith(".png")
    *_, panels = editing.compare(session, [MINI], None)
    assert panels.count("<img") == 2 and not messages


def test_a_pass_that_was_overtaken_changes_nothing_on_the_page(studio, opened, monkeypatch):
    from panda.studio.editing import EditingHandlers

    editing, session = EditingHandlers(studio), opened[0]
    monkeypatch.setattr(type(session.canvas), "batch", 1)
    editing.choose(session, SimpleNamespace(part=1))
    first = editing.thumbnails(session)
    next(first)
    shown = [next(first)]
    editing.choose(session, SimpleNamespace(part=2))
    second = editing.thumbnails(session)
    next(second)
    shown.append(next(second))
    assert [*first] == []
    shown += second
    _, last = editing.names(session)
    assert [len(gallery["cards"]) for gallery in shown] == [1, *range(1, 9)]
    turns = [gallery["turn"] for gallery in (*shown, last)]
    assert turns == sorted(turns) and len(last["cards"]) == 8
    assert any(card["name"] for card in last["cards"])
    *_, again = editing.thumbnails(session)
    assert again["cards"] == last["cards"]


def test_truncation_and_class_do_not_throw_a_photograph_away(studio, opened, messages):
    from dataclasses import replace

    from panda.studio.selecting import SelectionHandlers
    from panda.studio.session import Origin
    from panda.studio.updates import SKIP

    selecting, session = SelectionHandlers(studio), opened[0]
    _, name, _, _, seed, psi, label, *_ = opened
    assert psi["interactive"] and label["interactive"]
    settings = [name, None, None, seed, 0.3, None]
    assert selecting.redraw(session, *settings)[4:6] == [0, {**psi, "value": 0.3}]
    session.replace_image(session.canvas, replace(Origin(), name="me.png"))
    canvas = session.canvas
    assert selecting.redraw(session, *settings) is SKIP and session.canvas is canvas
    assert messages == [
        "a photograph has no truncation and no class; choose a seed to leave it for a sample"
    ]
    drawn = selecting.draw_next(session, *settings)
    assert drawn[4] == 1 and drawn[5]["interactive"] and session.canvas is not canvas


def test_an_error_is_a_message_and_changes_nothing(studio, opened, messages):
    from panda.studio.editing import EditingHandlers
    from panda.studio.updates import SKIP

    editing, session = EditingHandlers(studio), opened[0]
    assert editing.undo(session) is SKIP
    assert editing.undo(None) is SKIP
    assert editing.act(session, SimpleNamespace(name="explode", index=0)) is SKIP
    assert [*editing.compare(session, [], None)] == [SKIP]
    assert messages[0] == "there is nothing to undo"
    assert messages[1].startswith("no generator is open yet")
    assert messages[2].endswith("expected one of choose, toggle, up, down, drop")
    assert messages[3].startswith("no generator is chosen to compare with")
