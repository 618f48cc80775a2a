"""Full-size networks, built without memory, have every official tensor by name and shape."""

import json

import pytest
import torch
from golden_files import FOLDER

from panda_plugins.common.loading import NamedTensors
from panda_plugins.stylegan import checkpoint as stylegan
from panda_plugins.stylegan import network as stylegan_network
from panda_plugins.stylegan2 import checkpoint as stylegan2
from panda_plugins.stylegan2 import network as stylegan2_network

FILES = sorted((FOLDER / "state_dicts").glob("stylegan[12]*.json"))


def test_there_are_ten_files():
    assert len(FILES) == 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_tensor_has_its_place(path):
    first = path.stem.startswith("stylegan1")
    plugin, module = (stylegan, stylegan_network) if first else (stylegan2, stylegan2_network)
    shapes = json.loads(path.read_text())["tensors"]
    with torch.device("meta"):
        tensors = {name: torch.empty(shape) for name, shape in shapes.items()}
    for name in shapes:
        if name.endswith(("kernel", "filter")):  # whose values are looked at
            tensors[name] = torch.ones(shapes[name])
    with torch.device("meta"):
        spelling = plugin.spelling_of(tensors)
        network = module.Network(plugin.config_of(NamedTensors("test", spelling, tensors)))
    covered = set()
    for ours, wanted in network.state_dict().items():
        theirs = spelling.name(ours)
        if theirs not in tensors and ours.endswith("resample_filter"):
            continue
        assert spelling.value(ours, tensors[theirs]).shape == wanted.shape, theirs
        covered.add(theirs)
    assert covered == set(shapes)
    elements = sum(tensor.numel() for tensor in tensors.values())
    assert elements == json.loads(path.read_text())["total_elements"]
    if spelling.name("mapping.w_avg") == "mapping.w_avg" or first:  # the file's names are ours
        assert set(network.state_dict()) == set(shapes)


def test_official_sizes_are_read_off():
    def config(stem):
        shapes = json.loads((FOLDER / "state_dicts" / f"{stem}.json").read_text())["tensors"]
        tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        weights = NamedTensors("test", stylegan2.spelling_of(tensors), tensors)
        return stylegan2.config_of(weights)

    full = config("stylegan2-ada-1024")
    assert full.channels == (512,) * 5 + (256, 128, 64, 32)
    assert (full.size, full.num_ws, full.mapping_layers) == ((1024, 1024), 18, 8)
    assert full == config("stylegan2-genforce-1024")
    small = config("stylegan2-ada-cifar10-cond")
    assert (small.size, small.classes, small.mapping_layers) == ((32, 32), 10, 2)
