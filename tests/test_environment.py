"""What torch and its libraries find in the environment: ours unless the user has chosen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from panda.environment import SPINS, prepare

MINI = "import panda; panda.create_generator('mini-stylegan2-faces-64')"
NAMES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "KMP_BLOCKTIME"
WORKER = "PYTEST_XDIST_WORKER"
SHOW = f"""
import json, os, sys
class Seen:
    def find_spec(self, name, *_):
        if name == "torch":
            print(json.dumps({{k: os.environ[k] for k in {NAMES} if k in os.environ}}))
            sys.exit()
sys.meta_path.insert(0, Seen())
"""
"""Ends where torch is asked for, and prints what it would have found."""


def found_by_torch(code: str, chosen: dict[str, str]) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in (*NAMES, WORKER)}
    environment |= chosen
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    command = [sys.executable, "-c", SHOW + code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize(
    "code",
    [
        MINI,
        "from panda.cli import main; main(['demo', '--quick'])",
        "from panda.cli import main; main(['studio'])",
        "from panda.comparison.run import _work",
        "import conftest",
    ],
)
def test_threads_wait_briefly_whichever_way_torch_is_loaded(code: str) -> None:
    assert found_by_torch(code, {}) == {"GOMP_SPINCOUNT": SPINS}


@pytest.mark.parametrize(
    "chosen",
    [
        {"OMP_WAIT_POLICY": "active"},
        {"OMP_WAIT_POLICY": "passive"},
        {"GOMP_SPINCOUNT": "7"},
        {"GOMP_SPINCOUNT": ""},
    ],
)
def test_what_the_user_chose_stays(chosen: dict[str, str]) -> None:
    assert (
        found_by_torch("import panda.generators.registry, panda.factorization.features", chosen)
        == chosen
    )


def test_how_many_threads_there_are_is_left_to_the_user() -> None:
    chosen = {"OMP_NUM_THREADS": "3", "KMP_BLOCKTIME": "5"}
    expected = chosen | {"GOMP_SPINCOUNT": SPINS}
    assert found_by_torch(MINI, chosen) == expected


def test_huge_pages_are_asked_for_unless_the_user_says_no() -> None:
    nothing, no = {}, {"THP_MEM_ALLOC_ENABLE": "0"}
    prepare(nothing)
    prepare(no)
    assert nothing["THP_MEM_ALLOC_ENABLE"] == "1"
    assert no["THP_MEM_ALLOC_ENABLE"] == "0"
