"""What processes share and send, seen from one process that takes each of their places."""

import signal

import pytest
import torch
from torch import distributed

from panda import PandaError
from panda.factorization import processes
from panda.factorization.shares import Share


class Places:
    """Stands for each process of a group in turn; what is sent by the others is what this sends."""

    def __init__(self, patch):
        self.count, self.rank, self.sent = 2, 0, []
        self.ended = False
        patch.setattr(distributed, "is_initialized", lambda: not self.ended)
        patch.setattr(distributed, "get_world_size", lambda: self.count)
        patch.setattr(distributed, "get_rank", lambda: self.rank)
        patch.setattr(distributed, "get_backend", lambda: "gloo")
        patch.setattr(distributed, "all_reduce", self.add)
        patch.setattr(distributed, "all_gather", self.gather)
        patch.setattr(distributed, "broadcast", self.receive)

    def add(self, flat):
        self.sent.append(flat.clone())
        flat.mul_(self.count)

    def gather(self, pieces, local):
        assert len(pieces) == self.count
        for piece in pieces:
            piece.copy_(local)

    def receive(self, tensor, source):
        assert source == 0 and tensor.is_contiguous()
        tensor.fill_(7)


@pytest.fixture
def places(monkeypatch):
    return Places(monkeypatch)


@pytest.mark.parametrize("size", [1, 7, 32, 48, 100, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_each_sample_is_that_of_one_process(places, count, size):
    samples = torch.arange(200.0).view(200, 1, 1)
    batches, places.count = list(torch.split(samples, size)), count
    taken = []
    for places.rank in range(count):
        first = min(places.rank, len(batches) - 1)
        share = Share.of(batches, 200, batches[first])
        assert share.size == size
        mine = [index for block in share.blocks for index in block]
        assert share.count == sum(len(batches[index]) for index in mine)
        assert all(sum(len(batches[i]) for i in block) <= max(32, size) for block in share.blocks)
        assert set(share.stored) <= {first} & set(share.blocks[0] if share.blocks else ())
        taken += mine
        early = share.first(40)
        assert sorted(early) == [index * size for index in mine if index * size < 40]
        assert all(torch.equal(batch, batches[start // size]) for start, batch in early.items())
        assert all(torch.equal(share.take(index), batches[index]) for index in mine)
        assert not share.stored
    assert sorted(taken) == list(range(len(batches)))


def test_a_batch_that_was_sampled_is_not_sampled_again(places):
    places.count = 1
    asked = []

    class Batches(list):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    batches = Batches(torch.split(torch.ones(70, 1, 1), 10))
    share = Share.of(batches, 70, batches[0])
    share.first(30)
    for block in share.blocks:
        for index in block:
            share.take(index)
    assert asked == [0, 1, 2, 3, 4, 5, 6]
    share.take(0)  # it was kept until it was taken
    assert asked[7:] == [0]


def test_sums_are_of_all_processes_and_keep_shape_and_type(places):
    places.count = 3
    one, two = torch.arange(6.0).view(2, 3), torch.ones(4)
    first, second = processes.all_reduce([one, two])
    assert torch.equal(first, 3 * one) and torch.equal(second, 3 * two)
    assert len(places.sent) == 1  # in one message
    (numbers,) = processes.all_reduce([torch.tensor([5])])
    assert numbers.dtype == torch.int64 and numbers.tolist() == [15]


def test_the_exact_sum_is_of_all_processes(places):
    total = processes.Sum(torch.zeros(2))
    for term in ([1.0, 2**60], [2**-60, 1.0], [0.0, -(2**60)]):
        total.add(torch.tensor(term, dtype=torch.float64))
    assert total.result().tolist() == [2.0, 2.0]
    places.count = 1
    assert total.result().tolist() == [1.0, 1.0]


def test_what_rank_0_sends_arrives_in_one_piece(places):
    turned = torch.arange(6.0).view(2, 3).T
    assert torch.equal(processes.broadcast(turned), torch.full((3, 2), 7.0))
    places.count = 1
    alone = processes.broadcast(turned)
    assert torch.equal(alone, turned) and alone.is_contiguous()


def test_all_agree_where_each_one_does(places, monkeypatch):
    assert processes.all_agree(True) and not processes.all_agree(False)
    monkeypatch.setattr(distributed, "all_reduce", lambda flat: flat.add_(1))  # the other agrees
    assert processes.all_agree(True) and not processes.all_agree(False)


def test_a_lost_process_is_one_sentence(places, monkeypatch):
    def lost(flat):
        raise RuntimeError("Connection closed\nand more")

    monkeypatch.setattr(distributed, "all_reduce", lost)
    monkeypatch.setenv("RANK", "4")
    with pytest.raises(PandaError) as said:
        processes.all_reduce([torch.ones(1)])
    assert str(said.value) == (
        "process 4 lost another process, or waited too long for it (Connection closed);"
        " run the same command again to resume"
    )


@pytest.mark.parametrize("fails", [False, True])
def test_a_group_is_left_and_the_signal_is_as_before(places, monkeypatch, fails):
    joined = []
    monkeypatch.setattr(distributed, "init_process_group", lambda *a, **k: joined.append((a, k)))
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: setattr(places, "ended", 1))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    before = signal.getsignal(signal.SIGTERM)
    try:
        with processes.process_group("cpu") as device:
            assert device == "cpu"
            with pytest.raises(PandaError) as said:
                signal.raise_signal(signal.SIGTERM)
            assert str(said.value) == (
                "process 1 was terminated, as torchrun does when another process is lost;"
                " run the same command again to resume"
            )
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert joined == [(("gloo",), {"timeout": processes.TIMEOUT})]
    assert signal.getsignal(signal.SIGTERM) == before and places.ended


def test_each_process_has_a_gpu_of_its_own(places, monkeypatch):
    joined, chosen = [], []
    monkeypatch.setattr(distributed, "init_process_group", lambda *a, **_: joined.append(a))
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: None)
    monkeypatch.setattr(distributed, "get_backend", lambda: "nccl")
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    with processes.process_group("cuda") as device:
        assert device == "cuda:3" and processes._device() == torch.device("cuda")
    assert chosen == ["cuda:3"] and joined == [("nccl",)]


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes.process_group("cuda") as device:
        assert device == "cuda"
    assert processes.count() == 1 and processes.rank() == 0
