"""Files made to do harm: each is refused in a sentence, and an audit of the process proves it.

All are read by one process of their own, which records every event that Python's audit hooks report
(running code, starting programs, importing, writing, connecting) and how much memory it took.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkpoint_files import GOLDENS, openvino, tensorflowjs
from pickle_writer import (
    GOOD_STORAGE,
    Call,
    Name,
    Raw,
    loaded,
    module,
    nvidia,
    nvidia_weight,
    pickled,
    storage,
    tensor,
    torch_stream,
)

MARKER = "harm-was-done"

_READER = """
import codecs, json, pickle, resource, sys
from pathlib import Path
from panda.checkpoints.read import read_checkpoint
from panda.errors import PandaError

good, folder = map(Path, sys.argv[1:])
for path in sorted(good.iterdir()):  # so that everything needed is imported
    read_checkpoint(path)
codecs.lookup("cp437")  # zipfile wants it for names that are not marked as UTF-8
HARMLESS = {"open", "mmap.__new__", "os.scandir", "os.listdir", "builtins.id", "pathlib.Path.glob"}
events = []

def hook(event, arguments):
    reading = event in HARMLESS and (event != "open" or arguments[1] in ("r", "rb", None))
    if not reading:
        events.append(f"{event} {arguments!r:.200}")

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.addaudithook(hook)
found = {}
for path in sorted(folder.iterdir()):
    try:
        found[path.name] = f"READ {sorted(read_checkpoint(path).tensors)}"
    except PandaError as error:
        found[path.name] = str(error)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = {"found": found, "events": events, "kilobytes": after - before}
report["harmed"] = Path("MARKER").exists()

events = []
pickle.loads((folder / "eval").read_bytes())  # what everybody else does
report["control"] = {"events": events, "harmed": Path("MARKER").exists()}
print(json.dumps(report))
""".replace("MARKER", MARKER)

HARM = f"open({MARKER!r}, 'w').write('x')"
SHELL = f"touch {MARKER}"
WEIGHT = tensor(GOOD_STORAGE)


def nested(opcode: bytes, depth: int = 200_000) -> Raw:
    return Raw(b"N" + opcode * depth)


def doubled(times: int = 60) -> Raw:
    """A pair of the same pair twice, of the same pair twice, ...: 2 to the 60 values in all."""
    return Raw(b"N" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(times)))


def zipped(content: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(content))
    return stream.getvalue()


def itself() -> Raw:
    """A network that is put among its own parts once it is made, by way of the memo."""
    network = pickled(module({"weight": WEIGHT}, _modules=Raw(b"}q\x01")))[2:-1]
    return Raw(network + b"q\x02h\x01X\4\0\0\0parth\x02s0")


REFUSED = {
    # names that no checkpoint needs, wherever they stand
    "os.system": (pickled(Call("os.system", (SHELL,))), "asks for os.system"),
    "posix.system": (pickled(Call("posix.system", (SHELL,))), "asks for posix.system"),
    "by-stack": (pickled(Raw(b"X\2\0\0\0osX\6\0\0\0system\x93X\1\0\0\0x\x85R")), "os.system"),
    "eval": (pickled(Call("builtins.eval", (HARM,))), "asks for builtins.eval"),
    "exec": (nvidia_weight(Call("builtins.exec", (HARM,))), "asks for builtins.exec"),
    "getattr": (pickled(Call("builtins.getattr", (Name("os.path"), "x"))), "builtins.getattr"),
    "import": (pickled(Call("builtins.__import__", ("antigravity",))), "builtins.__import__"),
    "popen": (nvidia(module(source=Call("subprocess.Popen", (SHELL,)))), "subprocess.Popen"),
    "torch.load": (pickled(Call("torch.load", (MARKER,))), "asks for torch.load"),
    "dotted": (pickled(Name("collections.OrderedDict.__init__.__globals__")), "__globals__"),
    "escape": (pickled(Raw(b"X\1\0\0\0\x1bX\1\0\0\0\n\x93")), r"asks for '\x1b.\n'"),
    "unused": (pickled(Raw(b"cos\nsystem\n0N")), "asks for os.system"),
    # pickles inside pickles and zips
    "nested": (nvidia_weight(tensor(loaded(pickled(Call("os.system", (SHELL,)))))), "os.system"),
    "nested-late": (
        nvidia_weight(tensor(loaded(torch_stream(Call("os.system", (SHELL,)), {})))),
        "asks for os.system",
    ),
    "legacy": (torch_stream({"x": Call("os.system", (SHELL,))}, {}), "asks for os.system"),
    "zip": (zipped({"x": Call("os.system", (SHELL,))}), "asks for os.system"),
    "zip-rebuild": (zipped({"x": Call("torch._utils._rebuild_parameter", (1,))}), "expected a t"),
    # what may be named, used in ways it was not meant for
    "called-result": (pickled(Raw(b"cbuiltins\nset\n]\x85R)R")), "a list of 0 where a global"),
    "called-text": (pickled(Call("builtins.set", ("text",))), "an object of builtins.set"),
    "state-of-name": (pickled(Raw(b"cargparse\nNamespace\n}b")), "where a record belongs"),
    "numpy-class": (nvidia_weight(Call("numpy.ndarray", ((1 << 40,),))), "expected a tensor"),
    "namespace": (nvidia(Call("argparse.Namespace", (), {"__class__": HARM})), "expected a net"),
    # opcodes
    "inst": (pickled(Raw(b"(X\1\0\0\0xios\nsystem\n")), "the opcode INST"),
    "obj": (pickled(Raw(b"(cos\nsystem\nX\1\0\0\0xo")), "asks for os.system"),
    "extension": (pickled(Raw(b"\x82\x01")), "the opcode EXT1"),
    "keywords": (pickled(Raw(b"cargparse\nNamespace\n)}\x92")), "the opcode NEWOBJ_EX"),
    "protocol-0": (b"cos\nsystem\n(S'" + SHELL.encode() + b"'\ntR.", r"cos\nsystem"),
    # memory and depth
    "memo": (pickled(Raw(b"Nr\xff\xff\xff\x7f")), "a pickle of None"),
    "text-memo": (pickled(Raw(b"Np99999999999999999999\n")), "the opcode PUT"),
    "tuples": (pickled(nested(b"\x85")), "a pickle of a tuple of 1"),
    "dicts": (pickled(Raw(b"}K\1" * 100_000 + b"N" + b"s" * 100_000)), "a pickle of a dict of 1"),
    "records": (
        pickled(Raw(b"cargparse\nNamespace\nq\0" + b"h\0" * 99_999 + b"N" + b"\x85R" * 100_000)),
        "a pickle of an object of argparse.Namespace",
    ),
    "tuple-key": (pickled(Raw(b"}" + nested(b"\x85").opcodes + b"Ns")), "the key of a dict"),
    "lists": (nvidia_weight(WEIGHT, _init_kwargs={"x": Raw(b"]" * 9_000 + b"a" * 8_999)}), "deep"),
    "keys": (torch_stream({}, {"0": (0, b"")})[:-8].replace(b"X\1\0\0\0000", b")"), "no tensor"),
    "doubled": (nvidia_weight(WEIGHT, _init_kwargs={"x": doubled()}), "over 10000 values"),
    "itself": (nvidia(itself()), "twice, or inside itself"),
    "steps": (pickled(Raw(b"N0" * 501_000)), "more than any checkpoint has"),
    "number": (pickled(Raw(b"\x8b\xff\xff\xff\x7f")), "damaged or truncated pickle"),
    "shape": (nvidia_weight(tensor(GOOD_STORAGE, (1 << 45,), (0,))), "more memory than"),
    "storage": (
        torch_stream({"x": tensor(storage(size=1 << 45))}, {"0": (1 << 45, b"")}),
        "in 0 bytes",
    ),
    "json": (b'{"weightsManifest":' + b"[" * 400_000, "JSON"),
    "xml": (b"<net>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</net>", "without its constants"),
}


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
    for name, (data, _) in REFUSED.items():
        (bad / name).write_bytes(data)
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><net>&b;</net>'
    )
    openvino(bad / "entities" / "net.xml", bomb)
    deep = "<net>" + "<layers>" * 200_000 + "</layers>" * 200_000 + "</net>"
    openvino(bad / "deep" / "net.xml", deep)
    (bad / "module_src").write_bytes(nvidia(module({"weight": WEIGHT}, source=HARM)))
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(good), str(bad)],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_in_a_sentence(name, report):
    sentence = report["found"][name]
    assert REFUSED[name][1] in sentence
    assert f"/{name}" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600


def test_hostile_xml_is_refused(report):
    assert "without declarations" in report["found"]["entities"]
    assert "without tensors" in report["found"]["deep"]


def test_source_text_in_a_network_is_left_alone(report):
    assert report["found"]["module_src"] == "READ ['weight']"


def test_reading_hostile_files_runs_starts_imports_and_writes_nothing(report):
    assert report["events"] == []
    assert not report["harmed"]


def test_the_audit_sees_harm_where_it_is_done(report):
    seen = " ".join(report["control"]["events"])
    for event in ("pickle.find_class", "compile", "exec", "open"):
        assert event in seen
    assert report["control"]["harmed"]


def test_reading_hostile_files_takes_little_memory(report):
    assert report["kilobytes"] < 600_000
