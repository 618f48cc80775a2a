"""The same weights are the same bytes in every file, and lie in memory in one way."""

import pytest
import torch
from torch import nn

from panda import PandaError
from panda.checkpoints.strict import ALIGNMENT, load_strictly
from panda.checkpoints.tensors import save_tensors


def test_the_same_tensors_and_metadata_are_the_same_bytes(tmp_path):
    metadata = {name: name for name in "abcdefgh"}
    written = set()
    for number in range(8):
        save_tensors(tmp_path / str(number), {"w": torch.ones(2)}, metadata)
        written.add((tmp_path / str(number)).read_bytes())
    assert len(written) == 1


def test_weights_lie_as_the_tensors_of_torch_do():
    memory = torch.arange(64, dtype=torch.float32)
    assert memory.data_ptr() % ALIGNMENT == 0
    askew = memory[4:8].view(2, 2)
    network = nn.Linear(2, 2)
    load_strictly(network, {"weight": askew, "bias": memory[16:18]}, "Linear")
    assert network.weight.tolist() == askew.tolist()
    assert all(tensor.data_ptr() % ALIGNMENT == 0 for tensor in network.parameters())
    assert network.bias.data_ptr() == memory[16:].data_ptr()  # what lies well is not copied


@pytest.mark.parametrize("counted", [None, torch.tensor(7), torch.tensor(7.0)])
def test_counters_of_batch_normalization_may_be_there_or_not(counted):
    weights = {name: t for name, t in nn.BatchNorm2d(3).state_dict().items() if t.dim()}
    given = weights if counted is None else {**weights, "num_batches_tracked": counted}
    with torch.device("meta"):
        network = nn.BatchNorm2d(3)
    load_strictly(network, given, "norm")
    assert network.num_batches_tracked == 0 and network(torch.ones(1, 3, 2, 2)).shape
    folded = nn.Conv2d(3, 3, 1)
    left_over = {} if counted is None else {"num_batches_tracked": counted}
    load_strictly(folded, {**folded.state_dict(), **left_over}, "conv")
    with pytest.raises(PandaError, match=r"1 missing \(running_var\)$"):
        del given["running_var"]
        load_strictly(nn.BatchNorm2d(3), given, "norm")
