"""Damaged, foreign and absurd files: one sentence that names the file, and nothing else."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from checkpoint_files import GOLDENS, openvino, tensorflowjs
from golden_files import stored
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
from safetensors.torch import save

from panda.checkpoints.read import read_checkpoint
from panda.errors import PandaError
from panda.files.budget import Budget


def refusal(path: Path) -> str:
    """The sentence with which `read_checkpoint` refuses a path."""
    with pytest.raises(PandaError) as caught:
        read_checkpoint(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path)), sentence
    assert "\n" not in sentence
    assert len(sentence) < 600, sentence
    return sentence


@pytest.fixture
def refused(tmp_path):
    def refuse(data: bytes) -> str:
        (tmp_path / "file").write_bytes(data)
        return refusal(tmp_path / "file")

    return refuse


WHOLE = [
    "stylegan2-sg3repo/network.pkl",
    "stylegan3-r/network.pkl",
    "proggan-tf/network.pkl",
    "proggan-genforce/checkpoint.pth",
    "stylegan2-rosinality/checkpoint.pt",
    "biggan-deep-hf/hf/pytorch_model.bin",
    "biggan-ajbrock/state_dict.safetensors",
]


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_short_at_any_length_is_refused(name, refused):
    data = (GOLDENS / name).read_bytes()
    lengths = [0, 1, 2, 3, 8, 9, 15, 40, 200, len(data) - 1, len(data) - 100]
    for length in lengths + [len(data) * part // 7 for part in range(1, 7)]:
        refused(data[:length])


@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin"])
@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_hugging_face_folder_with_a_file_cut_short_names_that_file(name, part, tmp_path):
    shutil.copytree(GOLDENS / "biggan-deep-hf" / "hf", tmp_path / "hf")
    file = tmp_path / "hf" / name
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    assert name in refusal(tmp_path / "hf")


@pytest.mark.parametrize("write", [openvino, tensorflowjs])
def test_text_containers_cut_short_are_refused(write, tmp_path):
    path = write(tmp_path / "model")
    for file in list(tmp_path.iterdir()):
        data = file.read_bytes()
        for length in [len(data) * part // 5 for part in range(5)] + [len(data) - 2]:
            file.write_bytes(data[:length])
            refusal(path)
        file.write_bytes(data)
        if file != path:
            file.unlink()
            assert file.name in refusal(path)
            file.write_bytes(data)
    assert read_checkpoint(path).tensors


def test_damage_inside_a_zip_is_noticed(refused):
    data = bytearray((GOLDENS / "proggan-genforce" / "checkpoint.pth").read_bytes())
    data[len(data) // 2] ^= 1  # in the middle of a smooth weight
    assert "Bad CRC-32" in refused(bytes(data))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value, refused):
    tensors = {name: tensor.clone() for name, tensor in stored("proggan-tf").items()}
    tensors["4x4/Conv/bias"][3] = value
    expected = "'4x4/Conv/bias' holds NaN or infinity in 1 of 32 places, expected finite numbers"
    assert expected in refused(save(tensors))
    for zipped in (True, False):
        stream = io.BytesIO()
        torch.save(tensors, stream, _use_new_zipfile_serialization=zipped)
        assert expected in refused(stream.getvalue())
    weights = struct.pack("<4f", 1, 2, value, 4)
    weight = tensor(loaded(torch_stream(storage(), {"0": (4, weights)})))
    assert "'weight' holds NaN or infinity" in refused(nvidia_weight(weight))


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (tensor(GOOD_STORAGE, (5,)), "reaches element 5 of a storage of 4"),
        (tensor(GOOD_STORAGE, (2, 2), (3, 1)), "reaches element 5 of a storage of 4"),
        (tensor(GOOD_STORAGE, (1,), (1,), offset=4), "reaches element 5 of a storage of 4"),
        (tensor(GOOD_STORAGE, (1 << 40,), (0,)), "more memory than the file can fill"),
        (tensor(GOOD_STORAGE, (1 << 62,), (0,)), "shape and strides are not those of a tensor"),
        (tensor(GOOD_STORAGE, (4,), (-1,), offset=3), "are not those of a tensor"),
        (tensor(GOOD_STORAGE, (4,), (1,), offset=-4), "are not those of a tensor"),
        (tensor(GOOD_STORAGE, (2, 2), (1,)), "are not those of a tensor"),
        (tensor(GOOD_STORAGE, (1.0,)), "are not those of a tensor"),
        (tensor(GOOD_STORAGE, (1,) * 50, (1,) * 50), "are not those of a tensor"),
        (tensor(b"\0" * 16), "a value of type bytes where a storage belongs"),
        ("a text", "a value of type str, expected a tensor"),
        (tensor(loaded(b"")), "damaged or truncated pickle"),
        (tensor(loaded(pickled(1))), "its magic number is missing"),
        (tensor(loaded(torch_stream(storage(), {"0": (4, b"\0" * 15)}))), "4 elements in 15 bytes"),
        (tensor(loaded(torch_stream(storage(), {"0": (8, b"\0" * 32)}))), "has 8 elements"),
        (tensor(loaded(torch_stream(storage(size=1 << 46), {"0": (1 << 46, b"")}))), "in 0 bytes"),
        (tensor(loaded(torch_stream(storage(size=1 << 90), {}))), "not described as torch does"),
        (tensor(loaded(torch_stream(storage(), {}))), "its storage is not in the file"),
        (tensor(loaded(torch_stream(storage(), {"1": (4, b"")}))), "storage that no tensor uses"),
        (tensor(loaded(torch_stream([], {}))), "a list of 0 where a storage belongs"),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(weight, sentence, refused):
    assert sentence in refused(nvidia_weight(weight))


def test_many_names_for_one_large_storage_are_refused(refused):
    large = loaded(torch_stream(storage(size=500_000), {"0": (500_000, bytes(2_000_000))}))
    shared = Raw(pickled(large)[2:-1] + b"r\0\0\0\0")  # memo 0
    again = Raw(b"j\0\0\0\0")
    names = {f"weight{n}": tensor(again if n else shared, (500_000,)) for n in range(100)}
    assert "more memory than the file can fill" in refused(nvidia(module(names)))


INSIDE = module({"weight": tensor(GOOD_STORAGE)})


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (None, "whose G_ema is None, expected a network"),
        ({"type": "class"}, "whose G_ema is a dict of 'type', expected a network"),
        (Call("argparse.Namespace"), "an object of argparse.Namespace, expected a network"),
        (module(_buffers=None), "where _buffers is None, expected a dict of names"),
        (module(_modules={5: INSIDE}), "where _modules is a dict of 5, expected a dict of names"),
        (module(modules={"part": "x"}), "whose part is a value of type str, expected a network"),
        (module(), "a checkpoint without tensors"),
        (module(_init_kwargs={"size": INSIDE}), "expected plain data"),
    ],
)
def test_an_nvidia_network_of_another_make_is_refused(network, sentence, refused):
    assert sentence in refused(nvidia(network))


def array(shape=(2,), kind="f4", order="<", data=b"\0" * 8, made="numpy.ndarray") -> Call:
    dtype = Call("numpy.dtype", (kind, False, True), (3, order, None, None, None, -1, -1, 0))
    start = (Name(made), (0,), b"b")
    return Call("numpy.core.multiarray._reconstruct", start, (1, shape, dtype, False, data))


def tensorflow(value: object, **changes: object) -> bytes:
    state = {"version": 4, "static_kwargs": {}, "variables": [("weight", value)], **changes}
    return pickled((Call("dnnlib.tflib.network.Network", (), state),) * 3)


def test_arrays_of_other_byte_orders_are_read(tmp_path):
    (tmp_path / "file").write_bytes(tensorflow(array(order=">", data=struct.pack(">2f", 1, 2))))
    assert read_checkpoint(tmp_path / "file").tensors["weight"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (array(shape=(1 << 40,)), "an array of 4398046511104 bytes with a content of 8 bytes"),
        (array(shape=(-2,)), "whose shape is not of sizes"),
        (array(shape=(1 << 100,)), "whose shape is not of sizes"),
        (array(kind="O8"), "whose values are not plain numbers"),
        (array(kind="V8"), "whose values are not plain numbers"),
        (array(made="collections.OrderedDict"), "expected a numpy array"),
        (Call("numpy.core.multiarray.scalar", ("f4", b"\0" * 4)), "not plain numbers"),
        (5, "a value of type int, expected a numpy array"),
    ],
)
def test_a_tensorflow_variable_that_is_no_array_is_refused(value, sentence, refused):
    message = refused(tensorflow(value))
    assert "'weight' cannot be read" in message
    assert sentence.replace("an array", "a numpy array") in message


@pytest.mark.parametrize(
    "changes",
    [{"variables": None}, {"variables": [1]}, {"static_kwargs": None}, {"components": [1]}],
)
def test_a_tensorflow_network_of_another_make_is_refused(changes, refused):
    assert "an NVIDIA pickle" in refused(tensorflow(array(), **changes))
    assert "an NVIDIA pickle" in refused(tensorflow(array(), components={"mapping": 3}))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"epoch": 3}, "a pickle of a dict of 'epoch'"),
        ([1, 2], "a pickle of a list of 2"),
        (None, "a pickle of None"),
        ((Call("argparse.Namespace"),) * 3, "a pickle of a tuple of 3"),
        (Raw(b"h\x07"), "nothing is memoized under 7"),
        (Raw(b"0"), "damaged or truncated pickle"),
        (Raw(b"t"), "damaged or truncated pickle"),
        (Raw(b"}(K\x01u"), "damaged or truncated pickle"),
        (Raw(b"]K\x01K\x02s"), "a list of 0 where a dict belongs"),
        (Raw(b"K\x01)R"), "a value of type int where a global belongs"),
        (Raw(b"NQ"), "the opcode BINPERSID"),
        (Raw(b"B\xff\xff\xff\x7f"), "only"),
        (Raw(b"\x8e" + b"\xff" * 7 + b"\x7f"), "only"),
        (Raw(b"\x8d" + b"\0" * 6 + b"\x10\0"), "only"),
        (Raw(b"\xff"), "damaged or truncated pickle"),
    ],
)
def test_a_pickle_of_something_else_says_what_it_is(value, sentence, refused):
    assert sentence in refused(pickled(value))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [{}, {"epoch": 3}, {"epoch": torch.ones(1), "lr": 0.1}, [torch.ones(1)], torch.ones(1), None],
)
def test_a_torch_file_without_a_generator_says_what_is_expected(content, zipped, refused):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    assert "expected a state dict, or a dict with 'g_ema'" in refused(stream.getvalue())


def zipped(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name}", data)
    return stream.getvalue()


CONTENT = pickled({"weight": tensor(storage())})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (zipped(other=b""), "a zip with 0 data.pkl"),
        (zipped(zipfile.ZIP_DEFLATED, **{"data.pkl": bytes(1 << 20)}), "a zip of compressed"),
        (zipped(**{"data.pkl": CONTENT}), "storage of 16 bytes is not in the zip"),
        (zipped(**{"data.pkl": CONTENT, "data/0": b"\0" * 8}), "16 bytes is not in the zip"),
        (zipped(**{"data.pkl": CONTENT, "byteorder": b"big"}), "big-endian"),
        (zipped(**{"data.pkl": CONTENT}, **{"b/data.pkl": CONTENT}), "a zip with 2 data.pkl"),
        (b"PK\x03\x04 and no more", "a damaged or truncated zip"),
    ],
)
def test_a_zip_that_torch_would_not_write_is_refused(data, sentence, refused):
    assert sentence in refused(data)


def test_a_zip_that_declares_more_than_it_has_is_refused(refused):
    data = zipped(**{"data.pkl": CONTENT, "data/0": b"\0" * 16})
    size, huge = struct.pack("<II", 16, 16), struct.pack("<II", 16, 1 << 31)
    assert data.count(size) == 2  # beside the member, and in the directory
    assert "its storage of 16 bytes is not in the zip" in refused(data.replace(size, huge))


def header(**entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        header(x={"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}) + bytes(15),
        header(x={"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}),
        header(x={"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}) + bytes(4),
        header(x={"dtype": "F32", "shape": [2], "data_offsets": [4, 0]}) + bytes(4),
        header(x=1),
        struct.pack("<Q", 90_000_000) + b"{}",
    ],
)
def test_damaged_safetensors_are_refused(data, refused):
    assert "damaged or truncated safetensors" in refused(data)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": "20"}, "wants 24 bytes"),
        ({"offset": "17"}, "wants 24 bytes at 17 of a file of 40 bytes"),
        ({"offset": "-4"}, "no readable type, shape or place"),
        ({"shape": "2,x"}, "no readable type, shape or place"),
        ({"shape": "4611686018427387904"}, "no readable type, shape or place"),
        ({"shape": ",".join("9" * 99)}, "no readable type, shape or place"),
        ({"element_type": "string"}, "no readable type, shape or place"),
    ],
)
def test_openvino_constants_outside_their_file_are_refused(changes, sentence, tmp_path):
    assert sentence in refusal(openvino(tmp_path / "net.xml", **changes))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("<net ", '<!DOCTYPE net [<!ENTITY a "b">]><net ', "plain XML <net> without declarations"),
        ('to-port="0"', 'to-port="first"', "a port is not a number"),
        ('from-layer="0"', 'from-layer="9"', "an edge joins unknown layers"),
        ('name="shape"', 'name="weight"', "two constants called 'weight'"),
        ("net>", "html>", "the XML is damaged"),
    ],
)
def test_openvino_graphs_of_another_make_are_refused(old, new, sentence, tmp_path):
    xml = openvino(tmp_path / "net.xml").read_text()
    assert sentence in refusal(openvino(tmp_path / "net.xml", xml.replace(old, new)))


def test_many_constants_of_the_same_bytes_are_refused(tmp_path):
    xml = openvino(tmp_path / "net.xml").read_text()
    xml = xml.replace(
        'offset="0" shape="2,3" size="24"', 'offset="0" shape="250000" size="1000000"'
    )
    start, end = xml.index("<layer "), xml.index("</layer>") + len("</layer>")
    layers = [xml[start:end].replace("weight", f"w{n}") for n in range(20)]
    path = openvino(tmp_path / "net.xml", xml[:start] + "".join(layers) + xml[end:])
    (tmp_path / "net.bin").write_bytes(bytes(1_000_000))
    assert "more memory than the file can fill" in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"one"', '"../one"', "shard '../one' is missing, expected it beside model.json"),
        ('"one"', '"/etc/hostname"', "shard '/etc/hostname' is missing"),
        ('"one", "two"', '"one", "one"', "a shard is listed twice"),
        ('"one"', "1", "damaged TensorFlow.js model"),
        ("[2, 3]", "[2, 4]", "damaged TensorFlow.js model"),
        ("[2, 3]", "[1099511627776]", "damaged TensorFlow.js model"),
        ("[2, 3]", "[2, -3]", r"shape [2, -3] of 'module/kernel'"),
        ("[2, 3]", "{}", "damaged TensorFlow.js model"),
        ('"count"', '"flag"', "two constants called 'flag'"),
        ('"count"', "[]", "damaged TensorFlow.js model"),
        ('"float32"', '"string"', "damaged TensorFlow.js model"),
        ("0.625", "1e300", "FloatingPointError: invalid value encountered in cast"),
        ('"scale"', '"factor"', "expected float16, or uint8 or uint16 with scale and min"),
        ('"weightsManifest": [', '"weightsManifest": 3, "other": [', "damaged TensorFlow.js"),
        ('"weightsManifest"', '"layers"', "JSON of a dict of 'format', 'layers', expected a"),
    ],
)
def test_tensorflow_js_lists_that_do_not_fit_are_refused(old, new, sentence, tmp_path):
    path = tensorflowjs(tmp_path / "model.json")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert sentence in refusal(path)


def test_what_is_no_checkpoint_says_what_is_expected(tmp_path, refused):
    assert "a web page, as a download that failed leaves behind" in refused(
        b"<!DOCTYPE html><html>"
    )
    assert "an empty file; expected an NVIDIA pickle" in refused(b"")
    assert "bytes that begin with b'just text'" in refused(b"just text")
    assert "cannot be read: No such file" in refusal(tmp_path / "missing")
    (tmp_path / "folder").mkdir()
    assert "a folder of nothing; expected" in refusal(tmp_path / "folder")
    shutil.copy(GOLDENS / "biggan-deep-hf" / "hf" / "config.json", tmp_path / "folder")
    assert "a folder of config.json; expected" in refusal(tmp_path / "folder")
    assert "give its folder" in refusal(tmp_path / "folder" / "config.json")
    openvino(tmp_path / "two" / "a.xml")
    openvino(tmp_path / "two" / "b.xml")
    assert "a folder of 2 graphs, expected one" in refusal(tmp_path / "two")


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe")
    assert "neither a file nor a folder" in refusal(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (MemoryError(), "more than fits into the memory of this machine"),
        (RecursionError("deep"), "nested deeper than any checkpoint"),
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
        (UnicodeError("two\nlines"), r"damaged in an unexpected way (UnicodeError: two)"),
    ],
)
def test_whatever_a_reader_raises_becomes_a_sentence(problem, sentence, refused, monkeypatch):
    def fail(path: Path, budget: Budget) -> None:
        raise problem

    monkeypatch.setattr("panda.checkpoints.read._read_file", fail)
    assert sentence in refused(b"anything")
