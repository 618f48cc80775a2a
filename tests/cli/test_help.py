"""What ``panda`` says of itself: help for every verb and option, without importing torch."""

import argparse
import shlex
import subprocess
import sys

import pytest

from panda import PandaError
from panda.cli import main
from panda.cli.fit import SOLVERS
from panda.cli.localize import THRESHOLDS
from panda.cli.options import Parser
from panda.cli.parser import build_parser


def leaves(parser: Parser) -> dict[str, Parser]:
    """Every verb's parser by its name, such as ``benchmark removal``."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                below = {f"{name} {kind}": leaf for kind, leaf in leaves(verb).items()}
                found |= below or {name: verb}
    return found


VERBS = leaves(build_parser())
WITHOUT_RESULTS = {"studio"}


@pytest.mark.parametrize("arguments", [[], ["benchmark"]])
def test_without_a_verb_there_is_help(arguments, capsys):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: {' '.join(['panda', *arguments])} ") and err == ""


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_says_what_it_does_and_its_example_can_be_read(name):
    verb = VERBS[name]
    assert len(verb.description) > 40 and verb.description.endswith(".")
    title, *examples = verb.epilog.splitlines()
    assert title == "example:" and examples
    assert any(line.strip().startswith(f"panda {name}") for line in examples)


def test_examples_parse(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for file in ("faces", "me", "photo.jpg", "Uc.npy", "Us.npy", "zoo.json"):
        (tmp_path / file).touch()
    for file in ("network-snapshot.pkl", "stylegan2-ffhq-config-f.pkl", "G.pth"):
        (tmp_path / file).touch()
    for name, verb in VERBS.items():
        for line in verb.epilog.splitlines()[1:]:
            options = build_parser().parse_args(shlex.split(line)[1:])
            assert options.verb in line, name


@pytest.mark.parametrize("name", VERBS)
def test_every_argument_has_words_and_every_option_its_default(name):
    for action in VERBS[name]._actions:
        assert action.help, action
        flag = action.nargs == 0
        if action.option_strings and not action.required and not flag:
            assert "(default: " in action.help, action.option_strings


@pytest.mark.parametrize("name", sorted(set(VERBS) - WITHOUT_RESULTS))
def test_every_verb_with_results_has_them_as_json(name):
    assert "--json" in VERBS[name]._option_string_actions


def test_psi_is_another_name_of_truncation():
    for verb in VERBS.values():
        known = verb._option_string_actions
        assert ("--psi" in known) == ("--truncation" in known)
        assert known.get("--psi") is known.get("--truncation")


def test_help_and_listings_import_no_torch():
    program = """
import contextlib, io, sys
from panda.cli import main
for words in [["--help"], ["list"], ["edits"], *(v.split() + ["--help"] for v in sys.argv[1:])]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(words)
    assert "torch" not in sys.modules, words
"""
    subprocess.run([sys.executable, "-c", program, *VERBS], check=True)


def test_choices_are_those_of_the_functions_behind_them(tiny):
    from panda.editing.localize import localize
    from panda.factorization import fit

    assert fit.SOLVERS == SOLVERS
    factors = fit.fit(tiny, "b", parts=2, seeds=range(8))
    x = tiny.head(tiny.sample([1]), "b").x
    for threshold in THRESHOLDS:
        localize(factors, x, 0, threshold=threshold)
    with pytest.raises(PandaError, match="valid: " + ", ".join(THRESHOLDS)):
        localize(factors, x, 0, threshold="?")
