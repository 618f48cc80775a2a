"""A corpus of attacks: files made to run code, to escape, to fill memory or to take forever.

`REFUSED` has for each file its bytes and words of the sentence that must refuse it.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile

from pickle_writer import (
    GOOD_STORAGE,
    Call,
    Name,
    Persistent,
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
    """A network that becomes a module of itself after it is built, through the memo."""
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
    "doubled": (nvidia_weight(WEIGHT, _init_kwargs={"x": doubled()}), "over 500000 steps"),
    "itself": (nvidia(itself()), "twice, or inside itself"),
    "steps": (pickled(Raw(b"N0" * 251_000)), "over 500000 steps"),
    "number": (pickled(Raw(b"\x8b\xff\xff\xff\x7f")), "damaged or truncated pickle"),
    "shape": (nvidia_weight(tensor(GOOD_STORAGE, (1 << 45,), (0,))), "more memory than"),
    "storage": (
        torch_stream({"x": tensor(storage(size=1 << 45))}, {"0": (1 << 45, b"")}),
        "in 0 bytes",
    ),
    "json": (b'{"weightsManifest":' + b"[" * 400_000, "JSON"),
    "xml": (b"<net>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</net>", "without its constants"),
}


CALLS = """
os.popen os.execv os.remove posix.system nt.system subprocess.run subprocess.check_output
pty.spawn builtins.compile builtins.open builtins.setattr builtins.type builtins.vars builtins.map
__builtin__.eval __builtin__.apply importlib.import_module runpy._run_code pickle.loads
_pickle.loads cPickle.loads marshal.loads shelve.open types.FunctionType types.CodeType
functools.partial functools.reduce operator.attrgetter operator.methodcaller itertools.starmap
copyreg._reconstructor copyreg.__newobj__ copyreg.add_extension copyreg.pickle
copy_reg._reconstructor codecs.decode code.interact pdb.run bdb.Bdb timeit.timeit cProfile.run
pydoc.pipepager webbrowser.open socket.create_connection urllib.request.urlopen ctypes.CDLL
shutil.rmtree tempfile.mktemp asyncio.run multiprocessing.Process concurrent.futures.Future
logging.config.listen unittest.mock.Mock distutils.spawn.spawn pip.main setuptools.setup
numpy.load numpy.fromfile numpy.memmap numpy.core.records.fromrecords
numpy.testing.run_module_suite numpy.f2py.crackfortran.getlincoef
numpy.distutils.exec_command.exec_command numpy.random.seed torch.hub.load torch.jit.load
torch.classes.load_library torch.ops.load_library torch.save torch.serialization.load
torch.utils.cpp_extension.load torch.utils.model_zoo.load_url torch._utils._rebuild_from_type_v2
torch._utils._rebuild_tensor torch._tensor._rebuild_from_type_v2
torch._utils._rebuild_device_tensor_from_numpy torch.storage.UntypedStorage.from_file
torch.FloatStorage.from_file torch.nn.Module torch._inductor.codecache.compile_file
torch.distributed.rpc.rpc_sync torch.fx._symbolic_trace.symbolic_trace
torch.package.PackageImporter torch.multiprocessing.reductions.rebuild_storage_fd PIL.Image.open
safetensors.torch.load_file collections.namedtuple collections.OrderedDict.fromkeys
argparse.ArgumentParser torch_utils.persistence._src_to_module torch_utils.persistence.import_hook
dnnlib.util.open_url dnnlib.util.call_func_by_name dnnlib.util.get_obj_by_name
dnnlib.tflib.tfutil.run tensorflow.io.gfile __torch__x.system panda.cli.main site.main
""".split()  # noqa: SIM905
"""What malicious pickles call, and names similar to those that checkpoints may have."""

REFUSED |= {f"call-{name}": (pickled(Call(name, (SHELL,))), f"asks for {name}") for name in CALLS}

SYSTEM = Call("os.system", (SHELL,))
LARGE = 1 << 22


def variables(data: bytes, count: int) -> bytes:
    """A TensorFlow pickle with the same array under many names."""
    kind = Call("numpy.dtype", ("u1", False, True), (3, "<", None, None, None, -1, -1, 0))
    start = (Name("numpy.ndarray"), (0,), b"b")
    state = (1, (len(data),), kind, False, Raw(b"h\0"))
    array = Call("numpy.core.multiarray._reconstruct", start, state)
    listed = Raw(
        pickled(data)[2:-1] + b"q\x000]("
        + b"".join(pickled((f"w{n}", array))[2:-1] for n in range(count)) + b"e"
    )  # fmt: skip
    facts = {"version": 4, "static_kwargs": {}, "variables": listed}
    network = Call("dnnlib.tflib.network.Network", (), facts)
    return pickled(Raw(b"(" + pickled(network)[2:-1] + b"q\x01h\x01h\x01t"))


def members(count: int) -> bytes:
    """A zip whose list has the same entry many times; its comment looks like a short list's end."""
    data = zipped({})
    size, start = struct.unpack_from("<II", data, len(data) - 10)
    listed, place = data[start : start + size] * count, start + size * count
    comment = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, start)
    end64 = struct.pack(
        "<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listed), start
    )
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, place, 1)
    most, more = 0xFFFF, 0xFFFFFFFF
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, most, most, more, more, len(comment))
    return data[:start] + listed + end64 + locator + end + comment


def compressed(size: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("archive/data.pkl", bytes(size))
    return stream.getvalue()


def traversing(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"written")
        archive.writestr("archive/data.pkl", pickled({"x": tensor(storage(key="../../x"))}))
    return stream.getvalue()


def header(text: str, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text.encode()


ONE = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
REFUSED |= {
    # names in every place that a pickle has, in every stream that a file has
    "in-persistent-id": (torch_stream(Persistent(SYSTEM), {}), "asks for os.system"),
    "as-persistent-id": (
        torch_stream({"x": tensor(Persistent(("storage", Name("os.system"), "0", "cpu", 4)))}, {}),
        "asks for os.system",
    ),
    "in-shape": (nvidia_weight(tensor(GOOD_STORAGE, SYSTEM)), "asks for os.system"),
    "in-state": (pickled(Call("argparse.Namespace", (), SYSTEM)), "asks for os.system"),
    "in-key": (pickled(Raw(b"}" + pickled(SYSTEM)[2:-1] + b"Ns")), "asks for os.system"),
    "in-second-stream": (
        pickled(0x1950A86A20F9469CFC6C) + pickled(SYSTEM) + pickled({}) * 3,
        "asks for os.system",
    ),
    "in-key-list": (
        b"".join(map(pickled, [0x1950A86A20F9469CFC6C, 1001, {}, {}, [SYSTEM]])),
        "asks for os.system",
    ),
    "after-the-end": (pickled({}) + pickled(SYSTEM), "a pickle of a dict"),
    "in-arguments": (nvidia_weight(WEIGHT, _init_kwargs={"x": SYSTEM}), "asks for os.system"),
    "in-discriminator": (pickled({"D": SYSTEM, "G_ema": None}), "asks for os.system"),
    "two-streams-deep": (
        nvidia_weight(tensor(loaded(torch_stream(tensor(loaded(pickled(SYSTEM))), {})))),
        "where a storage belongs",
    ),
    "in-array": (
        nvidia_weight(WEIGHT, _init_kwargs=Call("numpy.core.multiarray.scalar", (SYSTEM, b""))),
        "asks for os.system",
    ),
    "object-array": (
        nvidia_weight(
            WEIGHT,
            _init_kwargs={
                "x": Call(
                    "numpy.core.multiarray.scalar",
                    (Call("numpy.dtype", ("O8", False, True), (3, "|")), pickled(SYSTEM)),
                )
            },
        ),
        "whose values are not plain numbers",
    ),
    "array-of-another-class": (
        nvidia_weight(Call("numpy.core.multiarray._reconstruct", (Name("os.system"), (0,), b"b"))),
        "asks for os.system",
    ),
    # names that only look allowed
    "line-feed": (pickled(Raw(b"X\4\0\0\0os\n.X\6\0\0\0system\x93")), r"asks for 'os\n..system'"),
    "null": (
        pickled(Raw(b"X\x0b\0\0\0collectionsX\x0c\0\0\0OrderedDict\0\x93")),
        r"asks for 'collections.OrderedDict\x00'",
    ),
    "other-letters": (
        pickled(Raw(b"X\x0c\0\0\0" + "\N{CYRILLIC SMALL LETTER ES}ollections".encode()
                    + b"X\x0b\0\0\0OrderedDict\x93")),
        "ollections.OrderedDict",
    ),
    "space": (pickled(Raw(b"ctorch FloatStorage\nx\n")), "asks for torch.FloatStorage x"),
    # the memo and the extension registry
    "memo-of-a-name": (pickled(Raw(b"cbuiltins\nset\nq\0cos\nsystem\nq\0h\0")), "os.system"),
    "memo-not-yet": (pickled(Raw(b"h\0")), "nothing is memoized under 0"),
    "memo-far": (pickled(Raw(b"j\xff\xff\xff\xff")), "nothing is memoized under 4294967295"),
    "memo-text": (pickled(Raw(b"Nq\0g0\n")), "the opcode GET"),
    "copied": (pickled(Raw(b"cos\nsystem\n2")), "asks for os.system"),
    "copied-top": (pickled(Raw(b"N2")), "the opcode DUP"),
    "extension-2": (pickled(Raw(b"\x83\x01\x00")), "the opcode EXT2"),
    "extension-4": (pickled(Raw(b"\x84\x01\x00\x00\x00")), "the opcode EXT4"),
    "persistent-text": (pickled(Raw(b"P0\n")), "the opcode PERSID"),
    "out-of-band": (pickled(Raw(b"\x97")), "the opcode NEXT_BUFFER"),
    "byte-array": (pickled(Raw(b"\x96" + b"\xff" * 7 + b"\x7f")), "damaged or truncated pickle"),
    # small files that are large once they are read
    "huge-number": (nvidia_weight(WEIGHT, _init_kwargs={"x": 1 << 200_000}), "over 64 bits"),
    "array-in-arguments": (
        nvidia_weight(
            WEIGHT,
            _init_kwargs={
                "x": Call(
                    "numpy.core.multiarray.scalar",
                    (Call("numpy.dtype", ("u1", False, True), (3, "|")), b"\0"),
                ),
                "y": Raw(pickled(Call(
                    "numpy.core.multiarray._reconstruct",
                    (Name("numpy.ndarray"), (0,), b"b"),
                    (1, (LARGE,), Call("numpy.dtype", ("u1", False, True), (3, "|")), False,
                     bytes(LARGE)),
                ))[2:-1]),
            },
        ),
        "over 500000 steps",
    ),
    "one-array-many-names": (variables(bytes(LARGE), 2000), "more memory than the file can fill"),
    "many-members": (members(150_000), "over 30000 names"),
    "zip-bomb": (compressed(50_000_000), "a zip of compressed members"),
    "zip-traversal": (traversing("../../harm-was-done"), "is not in the zip"),
    "zip-absolute": (traversing("/tmp/harm-was-done"), "is not in the zip"),
    "giant-header": (header('{"x":' + ONE + "}", 99_000_000), "safetensors"),
    "long-header": (
        header("{" + ",".join(f'"{n}":{ONE}' for n in range(40_000)) + "}"),
        "over 30000 names",
    ),
    "deep-header": (header('{"x":' + "[" * 100_000), "safetensors"),
    "overlapping": (
        header('{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
               '"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}') + bytes(4),
        "damaged or truncated safetensors",
    ),
    "header-of-lies": (
        header('{"x":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,4]}}')
        + bytes(4),
        "damaged or truncated safetensors",
    ),
    "json-of-lists": (
        b'{"weightsManifest": [' + b"[]," * 700_000 + b"[]]}", "over 500000 steps"
    ),
    "json-of-digits": (b'{"weightsManifest": ' + b"9" * 1_000_000 + b"}", "damaged JSON"),
    "json-absurd-shape": (
        json.dumps({"weightsManifest": [{"paths": [], "weights": [
            {"name": "x", "shape": [1 << 40, 1 << 40], "dtype": "float32"}]}]}).encode(),
        "damaged TensorFlow.js model",
    ),
    "json-shard-outside": (
        json.dumps({"weightsManifest": [{"paths": ["../secret"], "weights": []}]}).encode(),
        "shard '../secret' is missing",
    ),
    "protobuf": (b"\x08\x01\x12" + b"\xff" * 8 + b"\x7f" + b"x" * 100, "bytes that begin with"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "bytes that begin with"),
    "npz-name": (b"\x93NUMPY\x01\x00v\x00" + bytes(118), "bytes that begin with"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(100), "bytes that begin with"),
}  # fmt: skip
