"""Reads every kind of checkpoint, recognized by its content and never by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.huggingface import is_huggingface, read_huggingface
from panda.checkpoints.nvidia_pytorch import is_nvidia_pytorch, read_nvidia_pytorch
from panda.checkpoints.nvidia_tensorflow import is_nvidia_tensorflow, read_nvidia_tensorflow
from panda.checkpoints.openvino import read_openvino
from panda.checkpoints.pickles import describe, parse
from panda.checkpoints.pipelines import is_diffusers, read_diffusers
from panda.checkpoints.tensorflowjs import read_model_json
from panda.checkpoints.tensors import read_safetensors
from panda.checkpoints.torch_files import LEGACY_MAGIC, read_torch
from panda.errors import MachineError, PandaError
from panda.files.budget import Budget, File
from panda.files.nearest import nearest_file
from panda.files.tilde import expand
from panda.files.unchanged import unchanged

_EXPECTED = (
    "expected an NVIDIA pickle, a torch file, safetensors, a TensorFlow.js model.json, an OpenVINO"
    " graph or a Hugging Face folder, of diffusers or not"
)
_BLOCK = 1 << 20  # numbers
_LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read the generator in a file or folder, without running any code of it.

    Raises:
        PandaError: It does not exist, is damaged, of no known container, changes while it is read,
            has numbers that are not finite, or asks for more work than a file of its size may.
            Nothing else is raised.
    """
    path, budget = expand(path), Budget()
    with unchanged(path), _errors_of(path):
        read = _read_folder if path.is_dir() else _read_file
        checkpoint = read(path, budget)
        _check(checkpoint)
        return replace(checkpoint, budget=budget, source=str(path))


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn every exception of the block into a `PandaError` that names the file."""
    try:
        yield
    except PandaError as error:
        raise type(error)(f"{path}: {error}") from error
    except OSError as error:
        reason = f"{error.strerror or error}{nearest_file(path)}"
        raise PandaError(f"{path} cannot be read: {reason}") from error
    except RecursionError as error:
        raise PandaError(f"{path}: nested deeper than any checkpoint; {_EXPECTED}") from error
    except MemoryError as error:
        raise MachineError(f"{path}: more than fits into the memory of this machine") from error
    except Exception as error:  # unknown bytes may make any library raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PandaError(f"{path}: damaged in an unexpected way ({reason}); {_EXPECTED}") from error


def _read_folder(path: Path, budget: Budget) -> Checkpoint:
    """Read a folder by the names of the files in it."""
    if is_diffusers(path):
        return read_diffusers(path, _read_file, budget)
    if is_huggingface(path):
        return read_huggingface(path, _read_file, budget)
    if (path / "model.json").is_file():
        return read_model_json(path / "model.json", budget)
    graphs = sorted(path.glob("*.xml"))
    if len(graphs) == 1:
        return read_openvino(graphs[0], budget)
    if graphs:
        raise PandaError(f"a folder of {len(graphs)} graphs, expected one; give the path of one")
    content = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
    raise PandaError(f"a folder of {content}; {_EXPECTED}")


def _read_file(path: Path, budget: Budget) -> Checkpoint:
    """Read a file by its first bytes."""
    if path.exists() and not path.is_file():
        raise PandaError(f"neither a file nor a folder; {_EXPECTED}")
    with File(path, budget) as file:
        head = file.read(512)
        file.seek(0)
        if _is_safetensors(head):
            return read_safetensors(path, budget)
        if head.startswith(b"PK"):
            return read_torch(file)
        if head.startswith(b"\x80"):
            return _read_pickle(file)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"{"):
        return read_model_json(path, budget)
    if text.startswith((b"<?xml", b"<net")):
        return read_openvino(path, budget)
    if text.startswith((b"<!doctype html", b"<html")):
        raise PandaError(f"a web page, as a download that failed leaves behind; {_EXPECTED}")
    content = f"bytes that begin with {head[:16]!r}" if head else "an empty file"
    raise PandaError(f"{content}; {_EXPECTED}")


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER


def _read_pickle(file: File) -> Checkpoint:
    """Read an NVIDIA pickle, or an older torch file, which begins with a pickle too."""
    content = parse(file, file.budget)
    if content == LEGACY_MAGIC:
        file.seek(0)
        return read_torch(file)
    if is_nvidia_pytorch(content):
        return read_nvidia_pytorch(content, file.budget)
    if is_nvidia_tensorflow(content):
        return read_nvidia_tensorflow(content, file.budget)
    raise PandaError(f"a pickle of {describe(content)}; {_EXPECTED}")


def _check(checkpoint: Checkpoint) -> None:
    """Raise `PandaError` for what no backend could use, whatever the container."""
    if not checkpoint.tensors:
        raise PandaError("a checkpoint without tensors, expected the weights of a generator")
    for name, tensor in checkpoint.tensors.items():
        # In blocks, since what torch compares takes more memory than the tensor.
        blocks = torch.split(tensor.reshape(-1), _BLOCK)
        if not all(bool(torch.isfinite(block).all()) for block in blocks):
            count = sum(int((~torch.isfinite(block)).sum()) for block in blocks)
            raise PandaError(
                f"tensor {name!r} holds NaN or infinity in {count} of {tensor.numel()} places,"
                " expected finite numbers"
            )
