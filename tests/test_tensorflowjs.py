"""The constants of TensorFlow.js models."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from panda.checkpoints.tensorflowjs import read_tensorflowjs
from panda.errors import PandaError

VALUES = np.arange(6, dtype="<f4")


def model(*weights: dict, paths: tuple[str, ...] = ("one.bin", "two.bin")) -> bytes:
    return json.dumps({"weightsManifest": [{"paths": paths, "weights": weights}]}).encode()


KERNEL = {"name": "kernel", "shape": [2, 3], "dtype": "float32"}
COUNT = {"name": "count", "shape": [], "dtype": "int32"}
DATA = VALUES.tobytes() + np.int32(5).tobytes()
SHARDS = {"one.bin": DATA[:10], "two.bin": DATA[10:]}  # shards may end inside a number


def test_constants_are_read_across_shards():
    tensors = read_tensorflowjs(model(KERNEL, COUNT), SHARDS)
    assert tensors["kernel"].tolist() == VALUES.reshape(2, 3).tolist()
    assert tensors["count"].dtype == torch.int32
    assert tensors["count"].item() == 5


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"not json", "damaged TensorFlow.js model"),
        (b"{}", "damaged TensorFlow.js model: KeyError: 'weightsManifest'"),
        (model(KERNEL), "28 bytes for constants of 24 bytes"),
        (model(KERNEL, COUNT, COUNT), "damaged TensorFlow.js model"),
        (model(KERNEL, COUNT, paths=("one.bin", "three.bin")), "three.bin"),
        (model({**KERNEL, "shape": [-2, -3]}, COUNT), r"shape \[-2, -3\] of 'kernel'"),
        (model({**KERNEL, "dtype": "object"}, COUNT), "damaged TensorFlow.js model"),
        (model({**KERNEL, "quantization": {"dtype": "uint8"}}, COUNT), "'kernel' is quantized"),
    ],
)
def test_a_damaged_model_is_one_sentence(data, sentence):
    with pytest.raises(PandaError, match=sentence):
        read_tensorflowjs(data, SHARDS)
