"""Repositories on Hugging Face: hf:OWNER/NAME is the folder that huggingface_hub fetches."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from panda import PandaError, create_generator
from panda.checkpoints.hub import fetched
from panda.cli import main
from panda.generators.entries import find_entries


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that has one repository, and the names that it was asked for."""
    asked = []

    def snapshot_download(name, **patterns):
        asked.append((name, patterns))
        if name != "someone/some.net-1":
            raise FileNotFoundError("no connection")
        return str(tmp_path)

    module = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_a_repository_is_a_folder_with_what_stands_behind_its_name(hub, tmp_path):
    text = "hf:someone/some.net-1?steps=20&guidance=5@a red house"
    assert fetched(text) == f"{tmp_path}?steps=20&guidance=5@a red house"
    assert fetched("hf:someone/some.net-1") == str(tmp_path)
    ((name, patterns), _) = hub
    assert name == "someone/some.net-1"
    assert not [each for each in patterns["allow_patterns"] if each.endswith((".py", ".bin", "*"))]
    assert fetched("mini-faces") == "mini-faces" and len(hub) == 2


def test_every_door_takes_it(hub, tmp_path, capsys):
    with pytest.raises(PandaError, match="a folder of nothing"):
        create_generator("hf:someone/some.net-1")
    assert main(["info", "hf:someone/some.net-1"]) == 2
    assert "a folder of nothing" in capsys.readouterr().err
    (entry,) = find_entries("hf:someone/some.net-1@3")
    assert (entry.generator, entry.label) == (str(tmp_path), "3") or entry.label == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hf:nobody/none", "hf:nobody/none cannot be fetched .*no connection.* path of its folder"),
        ("hf:nobody", "is no repository, such as hf:"),
        ("hf:a/b/../c", "is no repository, such as hf:"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(text, said, hub):
    with pytest.raises(PandaError, match=said):
        create_generator(text)


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PandaError, match="needs huggingface_hub: pip install 'panda-parts"):
        create_generator("hf:someone/net")
