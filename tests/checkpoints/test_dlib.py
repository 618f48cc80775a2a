"""Networks of dlib: the weights of layers, and files that are damaged."""

import numpy as np
import pytest
from damage import damages
from dlib_writer import integer, layer

from panda import PandaError
from panda.checkpoints.dlib import read_dlib

DICE = np.random.default_rng(0)
CONVOLUTION, AFFINE = DICE.random(300).astype("<f4"), DICE.random(8).astype("<f4")
DENSE = DICE.random((4, 3)).astype("<f4")
CONTENT = (
    integer(1)
    + layer("input_rgb_image_sized", [])
    + layer("con_4", CONVOLUTION)
    + integer(-700)
    + layer("affine_", AFFINE)
    + layer("relu_", [])
    + layer("fc_2", DENSE, settings=(3, 4))
    + integer(1)
)


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "toy.dat"
    path.write_bytes(CONTENT)
    return path


def test_layers_with_weights_come_in_order(network):
    layers = read_dlib(network)
    assert [kind for kind, _ in layers] == ["con_4", "affine_", "fc_2"]
    for (_, found), expected in zip(layers, (CONVOLUTION, AFFINE, DENSE), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_weights_that_look_like_a_layer_are_weights(network):
    inside = np.frombuffer(b"\x01\x05con_4\x01\x02\x01\x00\x00", "<f4")
    network.write_bytes(layer("con_4", inside) + layer("affine_", AFFINE))
    assert [kind for kind, _ in read_dlib(network)] == ["con_4", "affine_"]


def test_no_damage_crashes_the_reader(network):
    refused = 0
    for change in damages(CONTENT, 0, garbled=60):
        network.write_bytes(change)
        try:
            read_dlib(network)
        except PandaError:
            refused += 1
    assert refused > 6


def test_files_that_end_early_or_promise_much_are_refused(network):
    network.write_bytes(CONTENT[: CONTENT.index(b"con_4") + 200])
    with pytest.raises(PandaError, match=r"toy.dat is not a whole network of dlib: .* \[300, 1, 1"):
        read_dlib(network)
    network.write_bytes(b"\x01\x05con_4" + integer(2) + integer(2**60) * 4)
    with pytest.raises(PandaError, match="a layer con_4 of version 2"):
        read_dlib(network)
    network.write_bytes(b"\x01\x05con_4" + integer(2) + integer(-3) * 4)
    with pytest.raises(PandaError, match=r"shape \[-3, -3, -3, -3\]"):
        read_dlib(network)
    network.write_bytes(b"\x01\x05con_4")
    with pytest.raises(PandaError, match="no integer at byte 7 of 7"):
        read_dlib(network)
    network.write_bytes(b"\0" * 40)
    with pytest.raises(PandaError, match="it has no layers with weights"):
        read_dlib(network)
    with pytest.raises(PandaError, match="cannot be read"):
        read_dlib(network.with_name("missing"))
