"""The three examples of docs/beyond.md keep the contract."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from backend_checks import conform
from snippets import ROOT, blocks

import panda
from panda.testing import check_generator

PAGE = "docs/beyond.md"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page defines, but for its file of ONNX."""
    namespace: dict[str, Any] = {}
    for snippet in blocks(PAGE, "python"):
        if not snippet.startswith("# "):
            exec(compile(snippet, PAGE, "exec"), namespace)
    return namespace


def test_the_decoder_and_the_sampler_keep_the_contract(page):
    conform(page["vae"])
    conform(page["ddim"])


def test_the_edit_of_the_page_changes_images(page):
    plain = page["generator"](page["latents"])
    assert (page["images"] - plain).abs().amax((1, 2, 3)).min() > 1e-3


def test_places_in_the_text_are_places():
    pages = (ROOT / PAGE, ROOT / "docs" / "contract.md")
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    places = re.findall(r"`(Place\(.*?\))`", text)
    assert len(places) > 6
    for place in places:
        eval(place, {"Place": panda.Place})


def test_a_file_in_onnx_keeps_the_contract(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="pip install onnx onnxruntime")
    pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")
    monkeypatch.chdir(tmp_path)
    write_gan(onnx)
    namespace: dict[str, Any] = {}
    (snippet,) = (block for block in blocks(PAGE, "python") if block.startswith("# panda_onnx"))
    exec(compile(snippet, PAGE, "exec"), namespace)
    results = {result.check: result for result in check_generator(namespace["Onnx"])}
    excused = {name for name, result in results.items() if result.status == "excused"}
    assert excused == {"gradient", "precision"}
    assert {result.status for result in results.values()} == {"ok", "excused"}


def write_gan(onnx: Any) -> None:
    """Write a network of two transposed convolutions, with the names of the page."""
    draws, helper = np.random.RandomState(0), onnx.helper
    weights = {"a": (16, 16, 8, 8), "b": (16, 3, 4, 4)}
    tensors = [
        onnx.numpy_helper.from_array(draws.randn(*shape).astype(np.float32) / 8, name)
        for name, shape in weights.items()
    ]
    halves = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("ConvTranspose", ["z", "a"], ["first"]),
        helper.make_node("Relu", ["first"], ["relu_1"]),
        helper.make_node("ConvTranspose", ["relu_1", "b"], ["second"], **halves),
        helper.make_node("Tanh", ["second"], ["image"]),
    ]
    kind = onnx.TensorProto.FLOAT
    ends = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, shape in {"z": ["n", 16, 1, 1], "image": ["n", 3, 16, 16]}.items()
    ]
    graph = helper.make_graph(nodes, "gan", ends[:1], ends[1:], tensors)
    inner = helper.make_tensor_value_info("relu_1", kind, ["n", 16, 8, 8])
    graph.value_info.append(inner)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "gan.onnx")
