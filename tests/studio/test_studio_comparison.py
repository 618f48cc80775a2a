"""An edit of the studio, found again in other generators."""

import io
from dataclasses import replace

import numpy as np
import pytest
from conftest import MINI
from PIL import Image

from panda import PandaError
from panda.editing.edits import REMOVE, Edit
from panda.studio import exports, views
from panda.studio.across import Matcher, compare_edits


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
