from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FAULTS = """
import resource
import panda, torch

before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(1 << 24)  # 64 MiB: 16384 small pages or 32 huge ones
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(encoding="ascii"),
    reason="this system has no huge pages to give",
)
def test_large_tensors_lie_on_huge_pages() -> None:
    assert int(subprocess.check_output([sys.executable, "-c", FAULTS])) < 4000
