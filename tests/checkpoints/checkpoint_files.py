"""Small files of the containers that have no golden, and where the goldens are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

GOLDENS = Path(__file__).parents[1] / "goldens"
KERNEL = torch.arange(6.0).reshape(2, 3)

_XML = """<?xml version="1.0"?>
<net name="network" version="10">
  <layers>
    <layer id="0" name="weight" type="Const">
      <data element_type="f32" offset="0" shape="2,3" size="24"/>
    </layer>
    <layer id="1" name="shape" type="Const">
      <data element_type="i64" offset="24" shape="2" size="16"/>
    </layer>
    <layer id="2" name="reshape" type="Reshape"/>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
  </edges>
</net>
"""


def openvino(path: Path, xml: str = _XML, **changes: str) -> Path:
    """Write a graph and its constants; ``changes`` replace attributes of the first constant."""
    path.parent.mkdir(exist_ok=True)
    for attribute, value in changes.items():
        start = xml.index(f'{attribute}="', xml.index("<data")) + len(attribute) + 2
        xml = xml[:start] + value + xml[xml.index('"', start) :]
    path.write_text(xml, encoding="utf-8")
    constants = KERNEL.numpy().tobytes() + np.array([2, 3], "<i8").tobytes()
    path.with_suffix(".bin").write_bytes(constants)
    return path


def tensorflowjs(path: Path) -> Path:
    """Write a model with every type there is, in two groups of shards."""
    weights = [
        {"name": "module/kernel", "shape": [2, 3], "dtype": "float32"},
        {"name": "count", "shape": [], "dtype": "int32"},
        {"name": "flag", "shape": [2], "dtype": "bool"},
    ]
    scaled = {"dtype": "uint8", "scale": 0.5, "min": -1}
    counted = {"dtype": "uint16", "scale": 0.625, "min": 10}
    quantized = [
        {"name": "bytes", "shape": [3], "dtype": "float32", "quantization": scaled},
        {"name": "steps", "shape": [3], "dtype": "int32", "quantization": counted},
        {"name": "half", "shape": [2], "dtype": "float32", "quantization": {"dtype": "float16"}},
    ]
    first = KERNEL.numpy().tobytes() + np.int32(5).tobytes() + b"\x01\x00"
    second = bytes([0, 1, 255]) + np.array([0, 3, 5], "<u2").tobytes()
    second += np.array([0.5, -2], "<f2").tobytes()
    path.parent.mkdir(exist_ok=True)
    (path.parent / "one").write_bytes(first[:10])  # shards may end inside a number
    (path.parent / "two").write_bytes(first[10:])
    (path.parent / "three").write_bytes(second)
    groups = [
        {"paths": ["one", "two"], "weights": weights},
        {"paths": ["three"], "weights": quantized},
    ]
    path.write_text(
        json.dumps({"format": "graph-model", "weightsManifest": groups}), encoding="utf-8"
    )
    return path
