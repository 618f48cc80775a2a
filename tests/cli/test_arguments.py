"""`panda` never ends in a traceback; docs/trust.md has the command that tries 10 000 lists."""

from arguments import run


def test_arbitrary_arguments_never_end_in_a_traceback(tmp_path):
    statuses, problems = run(400, 1, tmp_path)
    assert problems == []
    assert statuses[2] > 100
    assert statuses[0] > 20
