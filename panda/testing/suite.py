"""The checks as pytest tests, one test for each check. pytest is imported only when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from panda.errors import PandaError
from panda.testing.trial import CheckResult, Subject, Trial, checks_of, label_of


def parametrize_with_checks(
    subjects: Sequence[Subject], *, device: str = "cpu", quick: bool = False
) -> Callable[[Any], Any]:
    """Decorate a test of one argument, ``check``, so that it runs once for each check.

        @parametrize_with_checks(["my-gan-256", "weights/my.pkl"])
        def test_my_backend(check):
            check()

    Nothing is loaded before the first test runs. Excused checks are expected failures, and checks
    that cannot run because another failed are skipped.

    Args:
        subjects: Names of generators, checkpoint files, or functions ``load(device, dtype)`` like
            that of a card.
        device: Where the generators run.
        quick: Whether to check the first, the middle and the last layer alone.

    Raises:
        PandaError: For a string in place of the list.
    """
    import pytest

    if isinstance(subjects, str):
        raise PandaError(f"subjects are a list, such as [{subjects!r}], but a string was given")
    runs = [
        pytest.param(Run(shared, check), id=f"{label_of(subject)}-{check}")
        for subject in subjects
        for shared in [SharedTrial(subject, device, quick)]
        for check in checks_of(subject)
    ]
    return pytest.mark.parametrize("check", runs)


class SharedTrial:
    """The trial of consecutive tests of a generator, made by the first of them.

    The last of its checks frees it, and so does the first check of another one: a test session
    keeps no generator that it is done with.
    """

    _current: ClassVar[SharedTrial | None] = None

    def __init__(self, subject: Subject, device: str, quick: bool) -> None:
        self._subject, self._device, self._quick = subject, device, quick
        self._left = set(checks_of(subject))
        self._trial: Trial | None = None

    def result(self, check: str) -> CheckResult:
        """Run a check, or return its result where another check has needed it."""
        other = SharedTrial._current
        if other is not None and other is not self:
            other._trial = None
        SharedTrial._current = self
        self._trial = self._trial or Trial(self._subject, self._device, quick=self._quick)
        result = self._trial.result(check)
        self._left.discard(check)
        if not self._left:
            self._trial = None
        return result


@dataclass(frozen=True)
class Run:
    """A check of a generator, to be called in a test."""

    trial: SharedTrial
    check: str

    def __call__(self) -> None:
        """Run the check and report the result to pytest."""
        import pytest

        result = self.trial.result(self.check)
        if result.status == "failed":
            pytest.fail(result.text, pytrace=False)
        elif result.status == "excused":
            pytest.xfail(result.text)
        elif result.status == "skipped":
            pytest.skip(result.text)
