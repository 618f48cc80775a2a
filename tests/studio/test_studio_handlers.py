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
