"""What libraries read from the environment when they are loaded, chosen for them before that."""

from __future__ import annotations

from collections.abc import MutableMapping

SPINS = "1000"
"""About 20 microseconds: as long as it takes to wake a thread, and far less than a turn on a core.

Threads inside an operation wait for each other at its end, thousands of times for an image. GNU
OpenMP, which torch's own packages bring, has them spin for 300 000 rounds first, several
milliseconds, in which they keep the core that the late one waits for where others want it too.
"""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Add our choices where the user made none."""
    # torch's own switch, read at its first allocation, for huge pages where Linux has them. Every
    # large tensor is fresh memory that the kernel clears page by page: over a third of the time of
    # a 1024 x 1024 forward pass on a CPU.
    environment.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # Read when GNU OpenMP is loaded, with torch. Either of the two says how threads wait.
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
