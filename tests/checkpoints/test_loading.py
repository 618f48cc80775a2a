"""Weights lie in memory in one way, wherever a file's bytes have come to lie."""

import torch
from torch import nn

from panda.checkpoints.strict import ALIGNMENT, load_strictly


def test_weights_lie_as_the_tensors_of_torch_do():
    memory = torch.arange(64, dtype=torch.float32)
    assert memory.data_ptr() % ALIGNMENT == 0
    askew = memory[4:8].view(2, 2)
    network = nn.Linear(2, 2)
    load_strictly(network, {"weight": askew, "bias": memory[16:18]}, "Linear")
    assert network.weight.tolist() == askew.tolist()
    assert all(tensor.data_ptr() % ALIGNMENT == 0 for tensor in network.parameters())
    assert network.bias.data_ptr() == memory[16:].data_ptr()  # what lies well is not copied
