"""TorchScript archives give their tensors; their program is never read."""

import struct

import pytest
import torch
from pickle_writer import Call, Raw, storage, tensor, torch_stream
from torch import nn

from panda import PandaError
from panda.checkpoints.read import read_checkpoint


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_a_module_gives_its_state_dict(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 2)))
    torch.jit.script(module).save(tmp_path / "module.bin")
    checkpoint = read_checkpoint(tmp_path / "module.bin")
    assert checkpoint.container == "torchscript"
    wanted = module.state_dict()
    assert checkpoint.tensors.keys() == wanted.keys()
    assert all(torch.equal(checkpoint.tensors[name], wanted[name]) for name in wanted)


NUMBERS = {"0": (4, struct.pack("<4f", 1, 2, 3, 4))}


def read(tmp_path, content, storages):
    path = tmp_path / "module.bin"
    path.write_bytes(torch_stream(content, storages))
    return dict(read_checkpoint(path).tensors)


def test_plain_attributes_are_left_alone(tmp_path):
    inner = Call("__torch__.Inner", (), {"weight": tensor(storage()), "training": False})
    tensors = read(tmp_path, Call("__torch__.Net", (), {"inner": inner, "stride": [2, 2]}), NUMBERS)
    assert tensors.keys() == {"inner.weight"}
    assert tensors["inner.weight"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "content",
    [
        Raw(b"c__torch__\nNet\n)Rq\x00}(X\x04\x00\x00\x00selfh\x00ub"),
        Call("__torch__.Net", (), {"a": Raw(b"c__torch__\nI\n)Rq\x00"), "b": Raw(b"h\x00")}),
    ],
    ids=["inside itself", "twice"],
)
def test_a_module_is_there_once(tmp_path, content):
    with pytest.raises(PandaError, match="is there twice, or inside itself"):
        read(tmp_path, content, {})


def test_what_the_archive_calls_its_own_is_still_not_run(tmp_path):
    evil = Call("__torch__.os.system", ("echo harm",))
    with pytest.raises(PandaError, match="expected the weights of a generator"):
        read(tmp_path, evil, {})
