"""What PandA asks of a backend, each check as a test."""

from panda.testing import parametrize_with_checks


@parametrize_with_checks(["tiny-module-random-32"])
def test_the_generator_keeps_the_contract(check):
    check()
