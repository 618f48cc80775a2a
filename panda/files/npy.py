"""NumPy's .npy files, read without running any code of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError
from panda.files.nearest import nearest_file
from panda.files.writing import no_pipe

HEADER = re.compile(
    rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,9}),(?: ([0-9]{1,9}))?\), \} *\n"
)
"""The header of a matrix or a vector of floats as numpy.save writes it, version 1.0."""


def read_npy(path: str | Path) -> Tensor:
    """Read a matrix from an ``.npy`` file, such as the factors of the released code.

    NumPy's own reader compiles the header, allocates what it declares, and fails in many ways.

    Returns:
        The matrix ``[M, N]`` as float32; of a vector, ``[1, N]``.

    Raises:
        PandaError: The file is damaged, or contains anything but a matrix of floats.
    """
    try:
        with no_pipe(Path(path)).open("rb") as file:
            head, size = file.read(10), Path(path).stat().st_size
            length = int.from_bytes(head[8:], "little")
            match = re.fullmatch(HEADER, file.read(length))
            if match is None or not head.startswith(b"\x93NUMPY\x01"):
                raise PandaError(
                    f"{path} is not a plain .npy matrix of floats, as numpy.save writes them"
                )
            kind, sizes = np.dtype(match[1].decode()), [int(n) for n in match.group(3, 4) if n]
            rows, columns = sizes if len(sizes) == 2 else (1, *sizes)
            if rows * columns * kind.itemsize != size - len(head) - length:
                raise PandaError(f"{path} is damaged: it does not have {rows} x {columns} values")
            array = np.frombuffer(file.read(), kind)
    except OSError as error:
        reason = f"{error.strerror or error}{nearest_file(path)}"
        raise PandaError(f"{path} cannot be read: {reason}") from error
    if len(array) != rows * columns:
        raise PandaError(f"{path} changed while it was read")
    matrix = array.reshape(rows, columns, order="F" if match[2] == b"True" else "C")
    return torch.from_numpy(matrix.astype(np.float32, order="C"))
