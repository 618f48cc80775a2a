import struct

import pytest
import torch

from panda import PandaError
from panda.checkpoints.openvino import Node, read_ir
from panda.files.budget import Budget

IR = """<?xml version="1.0"?><net name="toy" version="10"><layers>
<layer id="0" name="x" type="Parameter"/>
<layer id="1" name="w" type="Const">
<data element_type="f32" offset="4" size="8" shape="1,2"/></layer>
<layer id="2" name="product" type="Multiply"/></layers>
<edges><edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/></edges></net>"""
CONSTANTS = struct.pack("<3f", 9, 1.5, -2)


@pytest.fixture
def nodes(tmp_path):
    def read(xml: str) -> list[Node]:
        (tmp_path / "net.xml").write_text(xml)
        (tmp_path / "net.bin").write_bytes(CONSTANTS)
        return read_ir(tmp_path / "net.xml", Budget())

    return read


def test_nodes_edges_and_constants_are_read(nodes):
    x, w, product = nodes(IR)
    assert product.inputs == [x, w]
    assert torch.equal(w.value, torch.tensor([[1.5, -2.0]]))
    assert product.constant() is w.value
    assert product.input("Parameter") is x
    with pytest.raises(PandaError, match="0 inputs of type MatMul"):
        product.input("MatMul")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('size="8"', 'size="800"'),
        ('shape="1,2"', 'shape="1,2000000000"'),
        ('shape="1,2"', 'shape="-1,-2"'),
        ('offset="4"', 'offset="-4"'),
        ('offset="4"', 'offset="8"'),
        ('element_type="f32"', 'element_type="string"'),
        ('from-layer="1"', 'from-layer="7"'),
        ('to-layer="2"', 'to-layer="0"'),
        ("<net ", "<nut "),
        ("</net>", ""),
        ("<net ", '<!DOCTYPE net [<!ENTITY a "b">]><net '),
    ],
)
def test_damaged_graphs_are_refused_in_one_sentence(old, new, nodes):
    assert old in IR
    with pytest.raises(PandaError) as caught:
        nodes(IR.replace(old, new))
    assert "\n" not in str(caught.value)
