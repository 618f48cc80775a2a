"""Files made to do harm: each is refused in a sentence, and an audit of the process proves it.

All are read by a separate process, which records every event that Python's audit hooks report
(running code, starting programs, importing, writing, connecting) and how much memory it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attacks import HARM, MARKER, REFUSED, WEIGHT
from bombs import BOMBS, READ, write
from checkpoint_files import GOLDENS, openvino, tensorflowjs
from pickle_writer import module, nvidia

_READER = """
import json, pickle, sys
from pathlib import Path
from guard import Guard
from panda.checkpoints.read import read_checkpoint

good, folder, marker = map(Path, sys.argv[1:])
for path in sorted(good.iterdir()):  # so that everything needed is imported
    read_checkpoint(path)
guard, sentences, read = Guard(), {}, {}
for path in sorted(folder.iterdir()):
    said = guard.watch(path.name, lambda: read.update(x=sorted(read_checkpoint(path).tensors)))
    sentences[path.name] = f"READ {read['x'][:3]}" if said is None else said
facts = {name: getattr(guard, name) for name in ("mebibytes", "slowest")}
facts["problems"] = list(guard.problems)
harmed = marker.exists()
guard.problems.clear()
guard.watch("eval", lambda: pickle.loads((folder / "eval").read_bytes()))  # as everybody else does
print(json.dumps(
    {"sentences": sentences, **facts, "harmed": harmed}
    | {"control": [guard.problems, marker.exists()]}
))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    base = tmp_path_factory.mktemp("hostile")
    good, bad = base / "good", base / "bad"
    good.mkdir()
    for name in ["stylegan3-r/network.pkl", "proggan-tf/network.pkl", "biggan-deep-hf/hf"]:
        (good / name.replace("/", "-")).symlink_to(GOLDENS / name)
    (good / "zip").symlink_to(GOLDENS / "proggan-genforce" / "checkpoint.pth")
    (good / "safetensors").symlink_to(GOLDENS / "biggan-ajbrock" / "state_dict.safetensors")
    tensorflowjs(good / "tensorflowjs" / "model.json")
    openvino(good / "openvino" / "net.xml")
    bad.mkdir()
    for name, (content, _) in (REFUSED | BOMBS).items():
        write(bad / name, content)
    for name, content in READ.items():
        write(bad / name, content)
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><net>&b;</net>'
    )
    openvino(bad / "entities" / "net.xml", bomb)
    declared = b"<?xml version='1.0' encoding='cp037'?>" + bomb.partition("?>")[2].encode("cp037")
    openvino(bad / "hidden-entities" / "net.xml").write_bytes(declared)
    (bad / "link").symlink_to("/dev/zero")
    tensorflowjs(bad / "linked" / "model.json")
    (bad / "linked" / "one").unlink()
    (bad / "linked" / "one").symlink_to("/dev/urandom")
    deep = "<net>" + "<layers>" * 200_000 + "</layers>" * 200_000 + "</net>"
    openvino(bad / "deep" / "net.xml", deep)
    (bad / "module_src").write_bytes(nvidia(module({"weight": WEIGHT}, source=HARM)))
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(good), str(bad), MARKER],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", REFUSED | BOMBS)
def test_a_hostile_file_is_refused_in_a_sentence(name, report):
    sentence = report["sentences"][name]
    assert (REFUSED | BOMBS)[name][1] in sentence
    assert f"/{name}" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600


def test_hostile_xml_is_refused(report):
    assert "without declarations" in report["sentences"]["entities"]
    assert "the XML is damaged" in report["sentences"]["hidden-entities"]
    assert "without tensors" in report["sentences"]["deep"]


def test_links_to_devices_are_refused(report):
    assert "neither a file nor a folder" in report["sentences"]["link"]
    assert "shard 'one' is missing" in report["sentences"]["linked"]


def test_source_text_in_a_network_is_left_alone(report):
    assert report["sentences"]["module_src"] == "READ ['weight']"


@pytest.mark.parametrize("name", READ)
def test_what_shares_much_and_costs_little_is_read(name, report):
    assert report["sentences"][name].startswith("READ")


def test_reading_hostile_files_runs_starts_imports_and_writes_nothing(report):
    """Nor does it raise anything but `PandaError`, nor ask for more than a gibibyte."""
    assert report["problems"] == []
    assert not report["harmed"]


def test_the_audit_sees_harm_where_it_is_done(report):
    seen, harmed = report["control"]
    for event in ("pickle.find_class", "compile", "exec", "open"):
        assert f"eval: {event}" in " ".join(seen)
    assert harmed


def test_reading_hostile_files_takes_little_memory_and_time(report):
    assert report["mebibytes"] < 1024
    assert report["slowest"] < 5
