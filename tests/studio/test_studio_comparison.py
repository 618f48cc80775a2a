"""An edit of the studio, transferred to other generators."""

import io
from dataclasses import replace

import numpy as np
import pytest
from conftest import MINI
from PIL import Image

from panda import PandaError
from panda.editing.edits import REMOVE, Edit
from panda.studio import exports, views
from panda.studio.transfer import Matcher, transfer_edits


def test_a_matcher_matches_an_edit_to_itself_in_the_same_generator(canvas):
    matcher = Matcher(canvas.generator, canvas.factors)
    edit = Edit((2,), "p1", 3.0, True)
    match = matcher.match(edit, canvas.generator, canvas.factors)
    assert match.edit == edit and match.part == pytest.approx(1) == match.appearance
    turned = replace(canvas.factors, own=-canvas.factors.own)
    assert matcher.match(edit, canvas.generator, turned).edit.strength == -3.0
    panel = transfer_edits(
        matcher, [edit, Edit((0,), REMOVE, 1.0)], canvas.generator, canvas.factors, 1
    )
    assert panel.before.size == panel.after.size == (320, 320) and len(panel.matches) == 2
    with pytest.raises(PandaError, match="2:5:3 cannot be matched; expected an appearance"):
        matcher.match(Edit((2,), 5, 3.0), canvas.generator, canvas.factors)


def test_comparing_shows_the_sessions_generator_as_it_is_on_the_stage(studio, session):
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    session.refine(True)
    (panel,) = studio.compare(session, [MINI])
    expected = np.asarray(
        Image.open(io.BytesIO(exports.export_picture(session).data)).resize((320, 320))
    )
    assert np.abs(np.asarray(panel.after, dtype=float) - expected).mean() < 2
    assert panel.sample == str(session.origin) and panel.matches[0].part == 1


def test_comparing_reports_a_failure_and_continues(studio, session):
    with pytest.raises(PandaError, match="there is no edit to compare"):
        next(studio.compare(session, [MINI]))
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    failed, panel = studio.compare(session, ["nothing", MINI])
    assert isinstance(failed, PandaError) and panel.generator == MINI
    page = views.panels([PandaError("<script>"), panel])
    assert "&lt;script&gt;" in page and page.count("<img") == 2
