"""``~`` is the home folder, in quotes and behind = too, and no folder is ever named so."""

import shutil
from pathlib import Path

import pytest
from conftest import GOLDENS

from panda import Factors, create_generator
from panda.cli import main
from panda.files.tilde import expand, expand_word

SOURCE = GOLDENS / "stylegan2-ada" / "network.pkl"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a file of weights; the working folder is another."""
    folder, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    shutil.copy(SOURCE, folder / "network.pkl")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(elsewhere)
    yield folder
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("~", "HOME"),
        ("~/a b", "HOME/a b"),
        ("--out=~/x", "--out=HOME/x"),
        ("mine=~/x.npy", "mine=HOME/x.npy"),
        ("~no-such-user-here/x", "~no-such-user-here/x"),
        ("./~/x", "./~/x"),
        ("a~", "a~"),
        ("-1~", "-1~"),
        ("0:p0:5sd", "0:p0:5sd"),
    ],
)
def test_a_word_is_expanded_as_a_shell_does(home, word, expanded):
    assert expand_word(word) == expanded.replace("HOME", str(home))


def test_a_path_is_expanded_at_its_beginning_alone(home):
    assert expand("~/x") == home / "x"
    assert expand("x/~") == Path("x/~")


def test_commands_read_and_write_the_home_folder(home):
    weights, factors = "~/network.pkl", "--out=~/factors"
    assert main(["info", weights]) == 0
    assert main(["convert", weights, "--out", "~/x.safetensors"]) == 0
    assert (home / "x.safetensors").is_file()
    assert main(["fit", weights, "8.conv1", "--parts", "2", "--seeds", "0-9", factors]) == 0
    assert main(["parts", "~/factors", "--seeds", "0", "--out", "~/parts"]) == 0
    assert {"factors", "parts"} <= {path.name for path in home.iterdir()}


def test_python_reads_and_writes_the_home_folder(home):
    generator = create_generator("~/network.pkl")
    assert generator.name == str(home / "network.pkl")
    assert main(["fit", "~/network.pkl", "8.conv1", "--parts=2", "--seeds=0-9", "--out=~/f"]) == 0
    Factors.load("~/f").save("~/again")
    assert (home / "again" / "factors.safetensors").is_file()
