"""The conformance kit: what must be true of every generator, for the authors of backends.

From the shell ``panda check NAME_OR_FILE``; in a test suite `parametrize_with_checks`; from Python
`check_generator`. Each failed check is one sentence that says what to fix. Where a check cannot
pass, `Generator.excused` gives the reason, and the check is reported as excused.
"""

from panda.testing.suite import parametrize_with_checks
from panda.testing.trial import CHECKS, CheckResult, Trial, check_generator

__all__ = ["CHECKS", "CheckResult", "Trial", "check_generator", "parametrize_with_checks"]
