"""Features in batches, and what is stored of them: in order, in range, and found again."""

import resource
import tempfile

import pytest
import torch

from panda import Layer, PandaError
from panda.errors import DiskError
from panda.factorization import samples
from panda.factorization.features import Features, _in_range
from panda.factorization.samples import Samples

CPU = torch.device("cpu")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_numbers_are_in_range_up_to_the_huge_one():
    assert _in_range(torch.tensor([1e10, -3.0])) and _in_range(torch.full((4,), 9e9))
    for value in (1.1e10, -1.1e10, torch.inf, -torch.inf, torch.nan):
        assert not _in_range(torch.tensor([1.0, value, 2.0]))


def test_a_layer_is_held_to_what_it_says(tiny):
    odd = Features(tiny, Layer("b", 12, 4, 16), range(2))
    with pytest.raises(PandaError) as said:
        odd[0]
    assert str(said.value) == (
        "tiny gave features (2, 12, 8, 8) at b, its layer says (2, 12, 4, 16)"
    )
    whole = Features(tiny, tiny.layer("b"), range(2))
    with pytest.raises(PandaError) as said:
        whole._checked(torch.ones(2, 12, 8, 8, dtype=torch.int32), [0, 1])
    assert str(said.value) == "tiny gave features of torch.int32 at b, expected floats"
    assert whole._checked(torch.ones(2, 12, 8, 8).half(), [0, 1]).dtype == torch.float32


@pytest.mark.parametrize(
    ("size", "batch", "expected"),
    [(8, None, 32), (128, None, 21), (4096, None, 1), (8, 5, 5), (8, 400, 400)],
)
def test_a_batch_has_what_fits_into_its_bytes(tiny, size, batch, expected):
    layer = Layer("b", 12, size, size)
    features = Features(tiny, layer, range(70), batch=batch)
    assert features.size == expected and len(features) == -(-70 // expected)
    with pytest.raises(IndexError):
        features[len(features)]


def test_batches_have_the_labels_of_their_seeds():
    asked = []

    class Labeled:
        device = CPU

        def sample(self, seeds, *, truncation, label):
            asked.append((list(seeds), truncation, label))
            return seeds

        def head(self, latents, layer):
            return type("State", (), {"x": torch.ones(len(latents), 1, 1, 1)})

    layer = Layer("l", 1, 1, 1)
    for label, expected in ((None, None), (3, 3), ([7, 8, 9], [9])):
        Features(Labeled(), layer, [4, 5, 6], 0.5, label, 2)[1]
        assert asked.pop() == ([6], 0.5, expected)


@pytest.mark.parametrize("memory", [0, 2**28])
def test_samples_come_back_in_order_and_as_they_were_changed(tmp_path, monkeypatch, memory):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "not" / "made"))
    monkeypatch.setattr(samples, "MEMORY", memory)
    blocks = [random(n, 3, 4, seed=n) for n in (2, 5, 1)]
    kept = Samples(8, (3, 4), CPU)
    assert list(kept) == [] and kept.empty().shape == (0, 3, 4)
    for block in blocks:
        kept.append(block)
    for _ in range(2):
        assert all(torch.equal(one, other) for one, other in zip(kept, blocks, strict=True))
    assert kept.lengths == [2, 5, 1]
    changed = kept.map(lambda block: block.mT[:, :2])
    assert changed.row == (2, 3) and changed.lengths == [2, 5, 1]
    assert torch.equal(torch.cat(list(changed)), torch.cat(blocks).mT[:, :2])


def test_many_samples_are_kept_in_the_cache(tmp_path, monkeypatch):
    """The folder of temporary files is memory on many machines."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no folder"))
    monkeypatch.setattr(samples, "MEMORY", 0)
    kept = Samples(1, (3, 4), CPU)
    kept.append(random(1, 3, 4))
    assert torch.equal(next(iter(kept)), random(1, 3, 4))


def test_samples_of_a_file_go_on_where_they_ended(tmp_path):
    path, blocks = tmp_path / "x.samples", [random(n, 3, 4, seed=n) for n in (2, 5)]
    kept = Samples(9, (3, 4), CPU, path)
    for block in blocks:
        kept.append(block)
    kept.sync()
    assert path.stat().st_size == 4 * 12 * 7
    again = Samples(9, (3, 4), CPU, path, [2])  # of which the last block was not noted down
    assert path.stat().st_size == 4 * 12 * 2
    again.append(blocks[1])
    again.sync()
    both = Samples(9, (3, 4), CPU, path, [2, 5])
    assert torch.equal(torch.cat(list(both)), torch.cat(blocks))


def test_a_file_of_samples_that_was_cut_short_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "MEMORY", 0)
    path = tmp_path / "x.samples"
    kept = Samples(3, (3, 4), CPU, path)
    kept.append(random(3, 3, 4))
    kept.sync()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PandaError) as said:
        list(kept)
    assert str(said.value) == "the file of compressed samples was cut short by another program"


def test_samples_that_cannot_be_kept_say_where(tmp_path, monkeypatch):
    with pytest.raises(DiskError) as said:
        Samples(3, (3, 4), CPU, tmp_path)
    assert str(said.value) == f"cannot keep samples in {tmp_path}: Is a directory"
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(samples, "MEMORY", 0)
    with pytest.raises(DiskError) as said:
        Samples(3, (3, 4), CPU)
    assert str(said.value) == (
        f"cannot keep samples in {tmp_path / 'file'}: File exists; PANDA_HOME may name another"
        " folder"
    )


@pytest.mark.parametrize("count", [25, 10_000])
def test_samples_that_the_disk_has_no_room_for_say_where(tmp_path, count):
    """Few are written when they are waited for; many at once."""
    kept = Samples(count, (3, 4), CPU, tmp_path / "x.samples")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DiskError) as said:
            kept.append(random(count, 3, 4))
            kept.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(said.value) == f"cannot keep samples in {tmp_path / 'x.samples'}: File too large"
