"""Matrices of .npy files: of any order and width of floats, and nothing else."""

import io
import os

import numpy as np
import pytest
import torch

from panda import PandaError
from panda.files.npy import read_npy

MATRIX = np.arange(-3, 3, dtype=np.float64).reshape(2, 3) / 4


def npy(matrix):
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_matrices_are_read_as_numpy_wrote_them(tmp_path, kind, order):
    np.save(tmp_path / "x.npy", np.array(MATRIX, kind, order=order))
    matrix = read_npy(str(tmp_path / "x.npy"))
    assert matrix.dtype == torch.float32 and matrix.is_contiguous()
    assert torch.equal(matrix, torch.from_numpy(MATRIX).float())


def test_a_vector_is_a_matrix_of_one_row(tmp_path):
    np.save(tmp_path / "x.npy", MATRIX.ravel())
    assert torch.equal(read_npy(tmp_path / "x.npy"), torch.from_numpy(MATRIX).float().view(1, 6))


@pytest.mark.parametrize(
    "content",
    [
        npy(np.array(1.5)),
        npy(MATRIX[None]),
        npy(MATRIX.astype(int)),
        npy(MATRIX.astype(complex)),
        npy(np.array([[object()]])),
        b"PK" + npy(MATRIX)[2:],
        npy(MATRIX)[:6] + b"\2" + npy(MATRIX)[7:],
        npy(MATRIX)[:20],
        b"",
    ],
)
def test_anything_but_a_matrix_of_floats_is_one_sentence(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(PandaError) as said:
        read_npy(tmp_path / "x.npy")
    assert str(said.value) == (
        f"{tmp_path / 'x.npy'} is not a plain .npy matrix of floats, as numpy.save writes them"
    )


@pytest.mark.parametrize("content", [npy(MATRIX) + b"\0", npy(MATRIX)[:-1], npy(MATRIX)[:-8]])
def test_more_or_fewer_values_than_the_header_says_are_damage(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(PandaError) as said:
        read_npy(tmp_path / "x.npy")
    assert str(said.value) == f"{tmp_path / 'x.npy'} is damaged: it does not have 2 x 3 values"


def test_a_file_that_grows_while_it_is_read_is_one_sentence(tmp_path, monkeypatch):
    path, read = tmp_path / "x.npy", np.frombuffer
    path.write_bytes(npy(MATRIX))
    monkeypatch.setattr("numpy.frombuffer", lambda data, kind: read(data + data, kind))
    with pytest.raises(PandaError) as said:
        read_npy(path)
    assert str(said.value) == f"{path} changed while it was read"


def test_a_file_that_is_not_there_is_one_sentence_with_a_similar_name(tmp_path):
    (tmp_path / "parts.npy").touch()
    with pytest.raises(PandaError) as said:
        read_npy(tmp_path / "part.npy")
    assert str(said.value) == (
        f"{tmp_path / 'part.npy'} cannot be read: No such file or directory;"
        f" did you mean '{tmp_path / 'parts.npy'}'?"
    )
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PandaError, match="neither a file nor a folder"):
        read_npy(tmp_path / "pipe")
