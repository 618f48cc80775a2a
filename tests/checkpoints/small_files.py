"""A small valid file of every container, to be damaged: each is a folder of a few files.

Small, since what a reader does depends on the structure of a file and hardly on its weights.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from checkpoint_files import openvino, tensorflowjs
from pickle_writer import Call, Name, nvidia, pickled, storage, tensor, torch_stream
from pickle_writer import module as network
from safetensors.torch import save, save_file

from panda.checkpoints.read import read_checkpoint
from panda.editing.edit_files import read_edits
from panda.factorization.factor_files import FORMAT
from panda.factorization.factors import Factors
from panda.files.npy import read_npy
from panda.weights.tarball import read_members

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}
STATE = Call("torch.storage._load_from_bytes", (torch_stream(storage(), {"0": (4, bytes(16))}),))


def _nvidia_pytorch(folder: Path) -> None:
    part = network({"weight": tensor(STATE)})
    arguments = Call("dnnlib.util.EasyDict")
    whole = network({"bias": tensor(STATE)}, {"synthesis": part}, _init_kwargs=arguments)
    (folder / "file").write_bytes(nvidia(whole))


def _nvidia_tensorflow(folder: Path) -> None:
    kind = Call("numpy.dtype", ("f4", False, True), (3, "<", None, None, None, -1, -1, 0))
    start = (Name("numpy.ndarray"), (0,), b"b")
    array = Call("numpy.core.multiarray._reconstruct", start, (1, (2, 2), kind, False, bytes(16)))
    part = Call("tfutil.Network", (), {"variables": [("w", array)], "static_kwargs": {"size": 4}})
    state = {
        "version": 4,
        "build_func_name": "G_main",
        "static_kwargs": {"resolution": 32},
        "components": {"mapping": part},
        "variables": [("lod", array)],
    }
    whole = Call("dnnlib.tflib.network.Network", (), state)
    (folder / "file").write_bytes(pickled((whole, whole, whole)))


def _torch(content: object, zipped: bool) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        torch.save(content, folder / "file", _use_new_zipfile_serialization=zipped)

    return write


def _torchscript(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".torch.jit")
        torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 3))).save(folder / "file")


def _safetensors(folder: Path) -> None:
    (folder / "file").write_bytes(save(WEIGHTS, {"config": '{"z_dim": 4, "layers": [1, 2]}'}))


def _huggingface(folder: Path) -> None:
    (folder / "config.json").write_text('{"output_dim": 64, "layers": [[false, 16, 16]]}')
    torch.save(WEIGHTS, folder / "pytorch_model.bin")


def _tgz(folder: Path) -> None:
    with tarfile.open(folder / "file", "w:gz") as archive:
        for name in ("package/model.json", "package/shard"):
            entry = tarfile.TarInfo(name)
            entry.size = 40
            archive.addfile(entry, io.BytesIO(bytes(range(40))))


def _factors(folder: Path) -> None:
    layer = {"name": "a", "channels": 2, "height": 1, "width": 3, "margin": 0}
    facts = {"format": FORMAT, "generator": "toy", "layer": layer, "seeds": "0-9"}
    shapes = {"appearances": (2, 2), "parts": (3, 2), "spread": (2, 2), "own": (2, 1, 2)}
    shapes |= {"own_spread": (2, 1), "background": (2,), "background_detector": (2,), "mean": (2,)}
    (folder / "config.json").write_text(json.dumps(facts))
    save_file({name: torch.ones(s) for name, s in shapes.items()}, folder / "factors.safetensors")


def _npy(folder: Path) -> None:
    np.save(folder / "file.npy", np.ones((3, 2), np.float32))


def _zoo(folder: Path) -> None:
    edit = {"generator": "g", "layer": "l", "appearances": 8, "parts": 2, "edits": ["1:2:30"]}
    (folder / "file").write_text(json.dumps({"format": 1, "edits": {"smile": edit}}))


def _read_tgz(path: Path) -> object:
    return read_members(path.read_bytes(), ("package/model.json", "package/shard"), "toy@1")


GENFORCE = {"models": {"generator_smooth": WEIGHTS}, "optimizers": {"lr": [0.1, None, True]}}
ROSINALITY = {"g_ema": WEIGHTS, "args": argparse.Namespace(size=8), "latent_avg": torch.ones(2)}

CONTAINERS: dict[str, tuple[Callable[[Path], object], str, Callable[[Path], object]]] = {
    "nvidia-pytorch": (_nvidia_pytorch, "file", read_checkpoint),
    "nvidia-tensorflow": (_nvidia_tensorflow, "file", read_checkpoint),
    "torch-zip": (_torch(GENFORCE, True), "file", read_checkpoint),
    "torch-legacy": (_torch(ROSINALITY, False), "file", read_checkpoint),
    "torchscript": (_torchscript, "file", read_checkpoint),
    "safetensors": (_safetensors, "file", read_checkpoint),
    "huggingface": (_huggingface, "", read_checkpoint),
    "tensorflowjs": (lambda folder: tensorflowjs(folder / "model.json"), "", read_checkpoint),
    "openvino": (lambda folder: openvino(folder / "net.xml"), "", read_checkpoint),
    "tgz": (_tgz, "file", _read_tgz),
    "factors": (_factors, "", Factors.load),
    "npy": (_npy, "file.npy", read_npy),
    "edit-zoo": (_zoo, "file", read_edits),
}
"""By name: writes a valid file into a folder, what is read in it, and the reader."""
