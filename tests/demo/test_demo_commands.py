"""The commands that the demo's report offers: a shell runs them as they are pasted."""

import os
import shlex
import subprocess
from dataclasses import replace

import pytest
from conftest import MINI

from panda.cli import main
from panda.demo.run import next_commands
from panda.factorization.fit import fit
from panda.generators.registry import create_generator
from panda.report.commands import panda_command

NAMES = ["my demo", 'Anna\'s "best" demo', "$HOME; `ls`"]


@pytest.mark.skipif(os.name != "posix", reason="commands are quoted for POSIX shells")
@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_a_command_as_the_words_it_was_made_of(name):
    script = "panda() { printf '%s\\n' \"$@\"; }; " + panda_command("edit", name, "--seeds", "0-3")
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["edit", name, "--seeds", "0-3"]


@pytest.mark.parametrize("found", [True, False])
def test_commands_of_the_report_run_in_any_directory(tmp_path, monkeypatch, found):
    generator = create_generator(MINI)
    layer = generator.layer_near(16).name
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / NAMES[1]
    factors = fit(generator, layer, parts=4, seeds=range(20))
    if not found:
        factors = replace(factors, config={**factors.config, "background": {"border": "none"}})
    assert factors.has_background == found
    factors.save(folder / layer)
    commands = next_commands(MINI, folder.relative_to(tmp_path), factors)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for command in commands[:-1]:
        program, *words = shlex.split(command)
        assert program == "panda" and main(words) == 0
    last = "background" if found else "concept"
    assert {path.name for path in elsewhere.iterdir()} == {"edited", "removed", last}
    assert shlex.split(commands[-1]) == f"panda fit {MINI} {layer} --parts 12 --out factors".split()
