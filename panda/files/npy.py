"""Arrays in NumPy's own files, read without running anything of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError
from panda.files.writing import no_pipe

HEADER = re.compile(
    rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,9}), ([0-9]{1,9})\), \} *\n"
)
"""The header of a matrix of floats as numpy.save writes it, version 1.0."""


def read_npy(path: str | Path) -> Tensor:
    """Read a matrix of the released code's ``.npy`` factor files, as float32; it is only data.

    Raises `PandaError` where the file is damaged or holds anything but a matrix of floats. NumPy's
    own reader compiles the header, allocates what it declares, and fails in many ways.
    """
    try:
        with no_pipe(Path(path)).open("rb") as file:
            head, size = file.read(10), Path(path).stat().st_size
            length = int.from_bytes(head[8:], "little")
            told = re.fullmatch(HEADER, file.read(length))
            if told is None or not head.startswith(b"\x93NUMPY\x01"):
                raise PandaError(
                    f"{path} is not a plain .npy matrix of floats, as numpy.save writes them"
                )
            kind, (rows, columns) = np.dtype(told[1].decode()), map(int, told.group(3, 4))
            if rows * columns * kind.itemsize != size - len(head) - length:
                raise PandaError(f"{path} is damaged: it has not {rows} x {columns} values")
            array = np.frombuffer(file.read(), kind)
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(array) != rows * columns:
        raise PandaError(f"{path} changed while it was read")
    matrix = array.reshape(rows, columns, order="F" if told[2] == b"True" else "C")
    return torch.from_numpy(matrix.astype(np.float32, order="C"))
