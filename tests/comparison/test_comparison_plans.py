"""What `panda compare` takes on: generators, one of their classes, plans, layers."""

import pytest
import torch
from comparing import SMALL, STYLEGAN2
from golden_files import FOLDER

from panda import PandaError
from panda.comparison import QUICK, Plan
from panda.comparison.plan import depths, layer_at
from panda.generators.contract import Layer
from panda.generators.entries import Entry, find_entries
from panda.generators.one_class import OneClass


def test_entries_are_names_patterns_files_and_classes(monkeypatch):
    found = find_entries(["progan-*", "progan-celeba-128", f"{STYLEGAN2}", f"{STYLEGAN2}@0-1"])
    assert found[0] == Entry("progan-celeba-128")
    assert [one.name for one in found[-3:]] == [
        "stylegan2-ada/network.pkl",
        "stylegan2-ada/network.pkl@0",
        "stylegan2-ada/network.pkl@1",
    ]
    assert found[-1].folder == "stylegan2-ada_network.pkl@1" and len(found) == len(set(found))
    with pytest.raises(PandaError, match="no generator matches 'mino-\\*'"):
        find_entries(["mino-*"])
    with pytest.raises(PandaError, match="did you mean 'progan-celeba-128'"):
        find_entries(["progan-celeba-12"])
    with pytest.raises(PandaError, match="no generators were given"):
        find_entries([])


def test_one_class_is_a_generator_without_classes(tmp_path):
    from panda import create_generator

    whole = create_generator(FOLDER / "biggan-ajbrock/state_dict.safetensors")
    one = OneClass(whole, 1)
    latents, same = one.sample([3, 4]), whole.sample([3, 4], label=1)
    assert all(torch.equal(latents.tensors[k], same.tensors[k]) for k in same.tensors)
    with pytest.raises(PandaError, match="restricted to its class"):
        one.sample([1], label=0)
    layer = next(iter(one.layers))
    assert torch.equal(one.tail(one.head(latents, layer), layer), whole.forward(same))
    with pytest.raises(PandaError):
        OneClass(whole, 10_000)


def test_plans_out_of_range_are_refused():
    with pytest.raises(PandaError, match="at least one"):
        Plan(parts=0)
    with pytest.raises(PandaError, match="more than once"):
        Plan(levels=(4, 4))
    assert QUICK.levels == (4,)


def test_layers_are_matched_by_their_size_in_the_image(tiny):
    assert layer_at(tiny, 4).name == "a" and layer_at(tiny, 1).name == "c"
    assert layer_at(tiny, 16) is None
    tiny.layers["d"] = Layer("d", 12, 12, 12, margin=2)
    assert layer_at(tiny, 2).name == "d"  # 8 inside the image, and later than b
    assert [layer.name for layer in depths(tiny, SMALL)] == ["a", "d", "c"]
