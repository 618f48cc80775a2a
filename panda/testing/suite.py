"""The checks as pytest tests, one test for each check. pytest is imported only when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from panda.errors import PandaError
from panda.testing.trial import Subject, Trial, checks_of, label_of


def parametrize_with_checks(
    subjects: Sequence[Subject], *, device: str = "cpu"
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

    Raises:
        PandaError: For a string in place of the list.
    """
    import pytest

    if isinstance(subjects, str):
        raise PandaError(f"subjects are a list, such as [{subjects!r}], but a string was given")
    runs = [
        pytest.param(Run(make, check), id=f"{label_of(subject)}-{check}")
        for subject in subjects
        for make in [partial(Trial, subject, device)]
        for check in checks_of(subject)
    ]
    return pytest.mark.parametrize("check", runs)


@dataclass(frozen=True)
class Run:
    """A check of a generator, to be called in a test."""

    make: partial[Trial]
    check: str

    def __call__(self) -> None:
        """Run the check and report the result to pytest."""
        import pytest

        result = _trial(self.make).result(self.check)
        if result.status == "failed":
            pytest.fail(result.text, pytrace=False)
        elif result.status == "excused":
            pytest.xfail(result.text)
        elif result.status == "skipped":
            pytest.skip(result.text)


@lru_cache(maxsize=1)
def _trial(make: partial[Trial]) -> Trial:
    """Return the trial that consecutive tests share; the previous one is freed."""
    return make()
