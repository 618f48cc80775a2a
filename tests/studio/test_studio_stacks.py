"""The studio's edits: how they stack, are undone, and change an image."""

import pytest
import torch

from panda import PandaError
from panda.editing.apply import apply_edits, direction, edit_images
from panda.editing.edits import REMOVE, Edit
from panda.editing.remove import remove_images
from panda.studio.stack import History, Stack, Step


def step(text, name="edit"):
    return Step(Edit.parse(text), name)


def test_a_stack_grows_switches_moves_and_shrinks():
    stack = Stack().add(step("0:p0:4sd")).add(step("1:p1:2sd")).add(step("2:remove:1"))
    assert (len(stack.steps), stack.chosen) == (3, 2)
    assert stack.add(step("1:p1:9sd")).chosen == 1
    assert len(stack.add(step("1:p1:9sd")).steps) == 3
    assert [str(e) for e in stack.toggle(1).edits] == ["0:p0:4sd", "2:remove:1"]
    moved = stack.move(2, -1)
    assert [str(e) for e in moved.edits] == ["0:p0:4sd", "2:remove:1", "1:p1:2sd"]
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
    edits = [Edit((0,), "p0", 3.0, True), Edit((1,), REMOVE, 1.0)]
    images = [canvas.images([edits[:k]])[0] for k in (0, 1, 2)]
    assert (canvas.generator.heads, canvas.generator.tails) == (1, 3)
    for k, image in enumerate(images):
        expected = edit_images(canvas.generator, canvas.factors, canvas.latents, edits[:k])
        torch.testing.assert_close(image, expected[0])
    together = canvas.images([edits[:0], edits[:1], edits])
    torch.testing.assert_close(together, torch.stack(images), atol=1e-5, rtol=1e-5)


def test_a_removal_in_a_stack_is_that_of_remove_and_its_order_counts(canvas):
    removal, added = Edit((1,), REMOVE, 1.0), Edit((1,), "p0", 6.0, True)
    expected = remove_images(canvas.generator, canvas.factors, canvas.latents, [1])
    torch.testing.assert_close(canvas.images([[removal]]), expected)
    first, second = canvas.images([[removal, added], [added, removal]])
    assert (first - second).abs().max() > 1e-3
    with pytest.raises(PandaError, match="no standard deviations"):
        canvas.images([[Edit((1,), REMOVE, 1.0, True)]])
    with pytest.raises(PandaError, match="parts 0 to 3"):
        canvas.images([[Edit((9,), REMOVE, 1.0)]])
    with pytest.raises(PandaError, match="appearance 'remove'"):
        direction(canvas.factors, [removal])


def test_edits_one_after_the_other_are_their_sum(canvas):
    x = canvas.state().x
    edits = [Edit((0,), 3, 20.0), Edit((2,), "bg", 1.0)]
    torch.testing.assert_close(
        apply_edits(canvas.factors, x, edits), x + direction(canvas.factors, edits)
    )


@pytest.mark.parametrize("text", ["3:12:30", "3+5:0:-40", "3:p0:2.5sd", "1:bg:1.2", "0:remove:1"])
def test_an_edit_is_written_as_it_is_read(text):
    assert str(Edit.parse(text)) == text
