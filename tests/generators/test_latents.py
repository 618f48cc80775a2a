"""Latents are a sequence of samples; states, latents and generators are shown on a line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import MINI, TinyGenerator
from golden_files import FOLDER

from panda import Latents, PandaError, State, create_generator


@pytest.fixture
def latents():
    return Latents((5, 6, 7, 9), {"z": torch.arange(8.0).view(4, 2), "label": torch.arange(4)})


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, [0]),
        (-1, [3]),
        (np.int64(2), [2]),
        (torch.tensor(2), [2]),
        (slice(1, 3), [1, 2]),
        (slice(None, None, 2), [0, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (slice(9, 12), []),
        ([2, 0, -1], [2, 0, 3]),
        ((1, 1), [1, 1]),
        (range(2), [0, 1]),
        ([], []),
        (np.array([3, 1]), [3, 1]),
        (torch.tensor([3, 1]), [3, 1]),
        ([True, False, False, True], [0, 3]),
        (np.array([False, True, True, False]), [1, 2]),
        (torch.tensor([False] * 4), []),
    ],
)
def test_samples_are_chosen_in_any_natural_form(latents, rows, expected):
    chosen = latents[rows]
    assert isinstance(chosen, Latents)
    assert len(chosen) == len(expected)
    assert chosen.seeds == tuple(latents.seeds[row] for row in expected)
    assert torch.equal(chosen.tensors["z"], latents.tensors["z"][expected])
    assert chosen.tensors["label"].tolist() == expected


@pytest.mark.parametrize("row", [4, -5, [0, 4], np.array([-5])])
def test_a_sample_past_the_end_is_an_index_error(latents, row):
    for kind in (IndexError, PandaError):
        with pytest.raises(kind, match=r"there is no sample -?\d; there are 4, counted from 0"):
            latents[row]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("z", "samples 'z' cannot be chosen; expected a number, a slice, a list"),
        (None, "samples None cannot be chosen"),
        (1.0, "samples 1.0 cannot be chosen"),
        (True, "samples True cannot be chosen"),
        ([0.5], "sample 0.5 is not a whole number"),
        ([0, True], "sample True is not a whole number"),
        (np.zeros((2, 2), int), r"sample \[0, 0\] is not a whole number"),
        ([True, False], "a mask of 2 values was given for 4 samples"),
    ],
)
def test_what_chooses_no_sample_is_one_sentence(latents, rows, sentence):
    with pytest.raises(PandaError, match=sentence):
        latents[rows]


def test_a_loop_gives_one_sample_at_a_time_and_ends(latents):
    assert [sample.seeds for sample in latents] == [(5,), (6,), (7,), (9,)]
    assert [sample.tensors["z"].shape for sample in latents] == [(1, 2)] * 4
    assert len(list(reversed(latents))) == 4
    first, *_, last = latents
    assert (first.seeds, last.seeds) == ((5,), (9,))


def test_batches_are_joined_in_their_order(latents):
    joined = Latents.cat([latents[2:], latents[0]])
    assert joined.seeds == (7, 9, 5)
    assert torch.equal(joined.tensors["z"], latents.tensors["z"][[2, 3, 0]])
    same = Latents.cat(list(latents))
    assert all(torch.equal(same.tensors[name], t) for name, t in latents.tensors.items())


def test_classes_stay_with_their_samples(latents):
    of_classes = replace(latents, labels=(3, 1, 2, 0))
    assert of_classes[[2, 0]].labels == (2, 3) and of_classes[1:3].labels == (1, 2)
    assert [sample.labels for sample in of_classes] == [(3,), (1,), (2,), (0,)]
    assert Latents.cat([of_classes[2:], of_classes[0]]).labels == (2, 0, 3)
    assert latents[0].labels is None and Latents.cat([of_classes[0], latents[1]]).labels is None


def test_classes_that_were_given_or_follow_from_seeds_are_known():
    generator = create_generator(FOLDER / "stylegan2-ada-cond/network.pkl")
    assert generator.sample([1, 2], label=1).labels == (1, 1)
    assert generator.sample([1, 2], label=[1, 0]).labels == (1, 0)
    drawn = generator.sample([1, 2])
    again = generator.sample([1, 2], label=list(drawn.labels))
    torch.testing.assert_close(again.tensors["w"], drawn.tensors["w"])
    straight = create_generator(FOLDER / "biggan-ajbrock/state_dict.safetensors")
    assert straight.sample([1, 2], label=[1, 0]).labels == (1, 0)
    assert create_generator(FOLDER / "stylegan2-ada/network.pkl").sample([1]).labels is None


def test_batches_that_do_not_fit_are_refused(latents):
    with pytest.raises(PandaError, match="no latents were given to join"):
        Latents.cat([])
    other = Latents((1,), {"z": torch.zeros(1, 3), "label": torch.zeros(1)})
    with pytest.raises(PandaError, match=r"rows \{'z': \[3\], .* cannot be joined to those with"):
        Latents.cat([latents, other])


def test_comparing_and_hashing_never_raises(latents):
    same = Latents(latents.seeds, dict(latents.tensors))
    assert latents == latents
    assert latents != same
    assert {latents: 1}[latents] == 1
    state = State(torch.zeros(2, 1, 2, 2), latents)
    assert state == state
    assert state != State(state.x, latents)
    assert state in {state}


def test_each_is_shown_on_one_line(latents):
    assert repr(latents) == "Latents(4 samples, seeds 5-7, 9, z [4, 2], label [4])"
    assert repr(latents[1]) == "Latents(1 sample, seed 6, z [1, 2], label [1])"
    assert repr(latents[:0]) == "Latents(0 samples, seeds none, z [0, 2], label [0])"
    many = Latents(tuple(range(0, 20, 2)), {})
    assert repr(many) == "Latents(10 samples, seeds 0, 2, 4, 6, ...)"
    assert repr(State(torch.zeros(2, 1, 2, 2), latents)) == "State(x [2, 1, 2, 2], rest Latents)"


def test_a_generator_is_shown_by_name_size_and_layers(tiny):
    generator = create_generator(MINI)
    assert repr(generator) == (f"<StyleGAN2 '{MINI}': 64 x 64, 9 layers 4.conv1 to 64.conv1, cpu>")
    assert repr(tiny) == "<TinyGenerator 'tiny': 16 x 16, 3 layers a to c, cpu>"
    tiny.layers = {"a": tiny.layers["a"]}
    assert repr(tiny) == "<TinyGenerator 'tiny': 16 x 16, 1 layer a, cpu>"
    assert repr(object.__new__(TinyGenerator)) == (
        "<TinyGenerator '': no size, 0 layers, no device>"
    )


def test_notebooks_show_tables_with_text_that_is_no_markup(tiny, latents):
    tiny.name = "<script>"
    shown = tiny._repr_html_()
    assert "&lt;script&gt;" in shown and "<script>" not in shown
    assert "<tr><td>b</td><td>12</td><td>8 x 8</td><td>0</td></tr>" in shown
    assert "<tr><td>z</td><td>[4, 2]</td><td>float32</td><td>cpu</td></tr>" in latents._repr_html_()


@pytest.mark.parametrize("device", ["foo", "meta"])
def test_latents_on_no_device_are_one_sentence(tiny, device):
    with pytest.raises(PandaError, match="cannot be used here"):
        tiny.sample(2).to(device)
