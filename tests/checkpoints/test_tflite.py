"""TensorFlow Lite models: weights in the order of torch modules, and files that are damaged."""

import numpy as np
import pytest
import torch
from damage import damages
from tflite_writer import write_tflite
from torch import nn
from torch.nn import functional as F

from panda import PandaError
from panda.checkpoints.tflite import CONVOLUTION, DEPTHWISE, DEQUANTIZE, PRELU, read_tflite

ADD = 0

DICE = np.random.default_rng(0)


def numbers(*shape, dtype="<f4"):
    return DICE.random(shape).astype(dtype)


CONSTANTS = {
    1: numbers(4, 3, 3, 2),  # a convolution from 2 to 4 channels
    2: numbers(4, dtype="<f2"),  # whose bias is stored in half precision
    5: numbers(1, 1, 4),  # PReLU
    7: numbers(1, 3, 3, 4),  # a depthwise convolution on one branch
    8: numbers(4),
    10: numbers(6, 1, 1, 4),  # and a pointwise one on the other
    11: numbers(6),
}
OPERATIONS = [
    (DEQUANTIZE, (2,), (3,)),
    (CONVOLUTION, (0, 1, 3), (4,)),
    (PRELU, (4, 5), (6,)),
    (DEPTHWISE, (6, 7, 8), (9,)),
    (CONVOLUTION, (6, 10, 11), (12,)),
    (ADD, (9, 6), (13,)),
]


def write(path, operations=OPERATIONS, outputs=(12, 13), constants=CONSTANTS):
    path.write_bytes(write_tflite(operations, outputs, constants, 14))
    return path


@pytest.fixture
def model(tmp_path):
    return write(tmp_path / "toy.tflite")


def test_weights_come_by_output_in_the_layout_of_torch(model):
    weights = read_tflite(model).weights()
    expected = [4, 2, 3, 3], [4], [4], [6, 4, 1, 1], [6], [4, 1, 3, 3], [4]
    assert [list(weight.shape) for weight in weights] == list(expected)
    np.testing.assert_array_equal(weights[0], CONSTANTS[1].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(weights[1], CONSTANTS[2].astype("<f4"))
    np.testing.assert_array_equal(weights[5][:, 0], CONSTANTS[7][0].transpose(2, 0, 1))
    assert all(weight.dtype == torch.float32 for weight in weights)
    # The first convolution, computed from its definition.
    image = torch.rand(1, 2, 5, 5)
    expected = sum(
        F.conv2d(image[:, i : i + 1], torch.from_numpy(CONSTANTS[1][:, None, :, :, i]))
        for i in range(2)
    )
    network = nn.Conv2d(2, 4, 3)
    network.load_state_dict({"weight": weights[0], "bias": weights[1] * 0})
    torch.testing.assert_close(network(image), expected)


def test_the_order_of_the_outputs_decides(tmp_path):
    weights = read_tflite(write(tmp_path / "toy.tflite", outputs=(13, 12))).weights()
    assert [len(weight) for weight in weights] == [4, 4, 4, 4, 4, 6, 6]


def test_a_model_that_computes_its_weights_is_refused(tmp_path):
    computed = [(CONVOLUTION, (0, 9, 11), (12,))]
    with pytest.raises(PandaError, match="tensor 9 is computed, expected a constant"):
        read_tflite(write(tmp_path / "toy.tflite", computed)).weights()
    without = [(CONVOLUTION, (0,), (12,))]
    with pytest.raises(PandaError, match="operation 3 has no weights"):
        read_tflite(write(tmp_path / "toy.tflite", without)).weights()
    flat = [(CONVOLUTION, (0, 8, 11), (12,))]
    with pytest.raises(PandaError, match=r"weights of shape \[4\]"):
        read_tflite(write(tmp_path / "toy.tflite", flat)).weights()


def test_operations_in_a_circle_end(tmp_path):
    circle = [(ADD, (12, 13), (12,)), (ADD, (12, 13), (13,))]
    assert read_tflite(write(tmp_path / "toy.tflite", circle)).weights() == []


def test_no_damage_crashes_the_reader(model, tmp_path):
    content, damaged = model.read_bytes(), tmp_path / "damaged.tflite"
    refused = 0
    for change in damages(content, 0, garbled=120):
        damaged.write_bytes(change)
        try:
            read_tflite(damaged).weights()
        except PandaError:
            refused += 1
    assert refused > 20


def test_no_part_of_a_file_may_be_missing(model):
    content = model.read_bytes()
    for end in range(0, len(content), 17):
        model.write_bytes(content[:end])
        with pytest.raises(PandaError):
            read_tflite(model)


def test_sizes_below_zero_are_refused(tmp_path):
    path = write(tmp_path / "toy.tflite", constants={1: numbers(3, 5)})
    sizes = np.array([3, 5], "<i4")
    assert path.read_bytes().count(sizes.tobytes()) == 1
    path.write_bytes(path.read_bytes().replace(sizes.tobytes(), (-sizes).tobytes()))
    with pytest.raises(PandaError, match=r"a constant of shape \[-3, -5\] has 60 bytes"):
        read_tflite(path)


def test_offsets_out_of_the_file_are_named(model):
    content = bytearray(model.read_bytes())
    content[:4] = b"\xff\xff\xff\xff"
    model.write_bytes(content)
    with pytest.raises(PandaError, match="toy.tflite is not a whole .tflite model: it refers to"):
        read_tflite(model)
    model.write_bytes(b"\0" * 40)
    with pytest.raises(PandaError, match="it does not begin as one"):
        read_tflite(model)
    with pytest.raises(PandaError, match="cannot be read"):
        read_tflite(model.with_name("missing"))
